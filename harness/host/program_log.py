"""The program log of harness: on stderr if requested, and in each run folder.

Each module has a logger with its own name. Passwords of links and private keys are masked, and
every line is safe to print. Other secrets must never be logged.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from harness.evidence.guest_text import printable
from harness.host.masking import without_secrets

LOG_FILE = "harness.log"
"""The name of the log in the folder of a run or of a matrix."""
MAX_LOG_BYTES = 8 << 20
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
"""The values of ``HARNESS_LOG``."""

_ROOT = logging.getLogger("harness")
_MAX_LINE_CHARS = 8192
# Sessions in several threads attach and detach handlers at any time.
_lock = threading.RLock()
_former_level: dict[str, int] = {}
# The run folders of the current task: nested, where a run boots more than once.
_folders: ContextVar[tuple[Path, ...]] = ContextVar("harness_log_folders", default=())


class _SafeFormatter(logging.Formatter):
    """A formatter whose lines have no secrets and no escape sequences."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        lines = without_secrets(super().format(record)).split("\n")
        return "\n".join(printable(line, _MAX_LINE_CHARS) for line in lines)


class _StderrHandler(logging.Handler):
    """A handler that writes to the current ``sys.stderr``, which a progress line may replace."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own
        """Ignore the error: stderr is closed."""


class _FileHandler(logging.Handler):
    """A handler that writes at most ``max_bytes`` to a file; its last line names the limit."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        super().__init__(logging.DEBUG)
        self._folder = folder
        self._left_bytes = max_bytes
        self._end = f"The log ends here: it has {max_bytes} bytes, and takes no more.\n".encode()
        self._file = (folder / LOG_FILE).open("ab", buffering=0)
        self.setFormatter(_SafeFormatter())
        self.addFilter(self._is_of_this_run)

    def _is_of_this_run(self, _: logging.LogRecord) -> bool:
        """Tell whether the current task belongs to this run, or to no run."""
        here = _folders.get()
        return not here or self._folder in here

    def emit(self, record: logging.LogRecord) -> None:
        if self._left_bytes <= 0:
            return
        line = (self.format(record) + "\n").encode("utf-8", errors="replace")
        self._left_bytes -= len(line)
        if self._left_bytes < len(self._end):
            line, self._left_bytes = self._end, 0
        try:
            self._file.write(line)
        except OSError:
            # A full disk is reported by the code that writes the evidence.
            self._left_bytes = 0

    def close(self) -> None:
        self._file.close()
        super().close()


def show_log(level: int) -> None:
    """Show messages of ``level`` and above on stderr from now on."""
    before = [row for row in _ROOT.handlers if isinstance(row, _StderrHandler)]
    handler = _StderrHandler(min([level, *(row.level for row in before)]))
    handler.setFormatter(_SafeFormatter())
    _attach(handler)
    for handler in before:
        _detach(handler)


def hide_log() -> None:
    """Stop showing messages on stderr."""
    for handler in [row for row in _ROOT.handlers if isinstance(row, _StderrHandler)]:
        _detach(handler)


@contextmanager
def kept_log(folder: Path, max_bytes: int = MAX_LOG_BYTES) -> Iterator[None]:
    """Write all messages of the block to the log in ``folder``, which must exist.

    Nothing is kept where the file cannot be written.
    """
    try:
        handler = _FileHandler(folder, max_bytes)
    except OSError:
        yield
        return
    _attach(handler)
    before = _folders.set((*_folders.get(), folder))
    try:
        yield
    finally:
        _folders.reset(before)
        _detach(handler)
        handler.close()


class _ForwardingHandler(logging.Handler):
    """A handler that forwards to the root logger the messages it would get without our handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        root = logging.getLogger()
        if root.hasHandlers():
            root.callHandlers(record)


def _attach(handler: logging.Handler) -> None:
    with _lock:
        if not _own_handlers():
            _former_level.update(level=_ROOT.level)
            _ROOT.addHandler(_ForwardingHandler(_ROOT.getEffectiveLevel()))
            _ROOT.propagate = False
        _ROOT.addHandler(handler)
        _set_level()


def _detach(handler: logging.Handler) -> None:
    with _lock:
        _ROOT.removeHandler(handler)
        if _own_handlers():
            _set_level()
            return
        for forwarding in [row for row in _ROOT.handlers if isinstance(row, _ForwardingHandler)]:
            _ROOT.removeHandler(forwarding)
        _ROOT.propagate = True
        _ROOT.setLevel(_former_level.pop("level", logging.NOTSET))


def _own_handlers() -> list[logging.Handler]:
    return [row for row in _ROOT.handlers if isinstance(row, (_StderrHandler, _FileHandler))]


def _set_level() -> None:
    """Set the logger to the lowest level of its handlers."""
    handlers = [
        row
        for row in _ROOT.handlers
        if isinstance(row, (_StderrHandler, _FileHandler, _ForwardingHandler))
    ]
    _ROOT.setLevel(min(row.level for row in handlers))

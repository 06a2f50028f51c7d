"""What harness does, for who has to find out why: on stderr where asked, and in each run folder.

Modules log to a logger of their own name. What is kept or shown is without passwords of links and
private keys, and harmless to print. Nothing else of a secret may be handed to a logger.
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
"""In the folder of a run, or of a matrix."""
MAX_LOG_BYTES = 8 << 20
LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}
"""What ``HARNESS_LOG`` may say."""

_ROOT = logging.getLogger("harness")
_MAX_LINE_CHARS = 8192
# Sessions of several threads begin and end as they like.
_changing = threading.RLock()
_set_aside: dict[str, int] = {}
# The folders whose runs are at work here: one in another, where a run boots more than once.
_folders: ContextVar[tuple[Path, ...]] = ContextVar("harness_log_folders", default=())


class _Harmless(logging.Formatter):
    """Lines without secrets and without escape sequences."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        lines = without_secrets(super().format(record)).split("\n")
        return "\n".join(printable(line, _MAX_LINE_CHARS) for line in lines)


class _Shown(logging.Handler):
    """Writes to stderr as it is at that moment: a progress line may have taken its place."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  logging's own
        """Pass over it: nobody reads stderr any more."""


class _Kept(logging.Handler):
    """Writes to a file up to ``max_bytes``; its last line says so, and no more comes."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        super().__init__(logging.DEBUG)
        self._folder = folder
        self._left_bytes = max_bytes
        self._end = f"The log ends here: it has {max_bytes} bytes, and takes no more.\n".encode()
        self._file = (folder / LOG_FILE).open("ab", buffering=0)
        self.setFormatter(_Harmless())
        self.addFilter(self._is_of_this_run)

    def _is_of_this_run(self, _: logging.LogRecord) -> bool:
        """Whether who logs is a task of this run, or a thread that belongs to none."""
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
            # A full disk is told by who writes what counts.
            self._left_bytes = 0

    def close(self) -> None:
        self._file.close()
        super().close()


def show_log(level: int) -> None:
    """Show on stderr what is of ``level`` or above, from now on."""
    before = [row for row in _ROOT.handlers if isinstance(row, _Shown)]
    shown = _Shown(min([level, *(row.level for row in before)]))
    shown.setFormatter(_Harmless())
    _attach(shown)
    for handler in before:
        _detach(handler)


def hide_log() -> None:
    """Show nothing any more."""
    for handler in [row for row in _ROOT.handlers if isinstance(row, _Shown)]:
        _detach(handler)


@contextmanager
def kept_log(folder: Path, max_bytes: int = MAX_LOG_BYTES) -> Iterator[None]:
    """Keep all that is logged while the block runs in ``folder``, which is there.

    Where it cannot be written, nothing is kept.
    """
    try:
        handler = _Kept(folder, max_bytes)
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


class _Passed(logging.Handler):
    """Passes on to the program that uses harness what it would hear without our handlers."""

    def emit(self, record: logging.LogRecord) -> None:
        root = logging.getLogger()
        if root.hasHandlers():
            root.callHandlers(record)


def _attach(handler: logging.Handler) -> None:
    with _changing:
        if not _ours():
            _set_aside.update(level=_ROOT.level)
            _ROOT.addHandler(_Passed(_ROOT.getEffectiveLevel()))
            _ROOT.propagate = False
        _ROOT.addHandler(handler)
        _set_level()


def _detach(handler: logging.Handler) -> None:
    with _changing:
        _ROOT.removeHandler(handler)
        if _ours():
            _set_level()
            return
        for passed in [row for row in _ROOT.handlers if isinstance(row, _Passed)]:
            _ROOT.removeHandler(passed)
        _ROOT.propagate = True
        _ROOT.setLevel(_set_aside.pop("level", logging.NOTSET))


def _ours() -> list[logging.Handler]:
    return [row for row in _ROOT.handlers if isinstance(row, (_Shown, _Kept))]


def _set_level() -> None:
    """Let through what the most curious handler takes."""
    heard = [row for row in _ROOT.handlers if isinstance(row, (_Shown, _Kept, _Passed))]
    _ROOT.setLevel(min(row.level for row in heard))

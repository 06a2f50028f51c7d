"""The conversion of unexpected exceptions to faults, with their tracebacks kept in a file.

A full disk and too little memory are faults of the host, wherever they occur. Every other
exception is a bug of harness, an InternalError: one sentence that names the file of the traceback.
"""

from __future__ import annotations

import datetime
import errno
import logging
import os
import secrets
import traceback
from importlib import metadata
from pathlib import Path

from harness.errors import FaultError, InternalError, NoSpaceError, OutOfMemoryError
from harness.host.folders import state_folder
from harness.host.masking import without_secrets

TRACEBACK_FILE = "internal-error.txt"
"""The file in a run folder that holds the tracebacks of that run."""

_PACKAGE = Path(__file__).parents[1]
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_MAX_TRACEBACK_CHARS = 256 << 10
_log = logging.getLogger(__name__)


def as_fault(error: BaseException, folder: Path | None = None) -> FaultError:
    """Return the fault for ``error``, and keep its traceback in ``folder``, a run folder.

    Without such a folder the traceback goes to the user's state folder. Never raises.
    """
    if isinstance(error, FaultError):
        return error
    if isinstance(error, MemoryError):
        return OutOfMemoryError("The host has too little memory for this.")
    if isinstance(error, OSError) and error.errno in _NO_SPACE:
        where = f"{error.filename}: " if error.filename else ""
        return NoSpaceError(f"{where}the host's disk has no room: {error.strerror}.")
    text = "".join(traceback.format_exception(error))
    return internal_error(f"{type(error).__name__} in {_place_of(error)}", text, folder)


def internal_error(what: str, text: str, folder: Path | None = None) -> InternalError:
    """Return the error for a bug. ``what`` names it and its place; ``text`` is its traceback.

    The traceback is kept as :func:`as_fault` does.
    """
    text = without_secrets(text[-_MAX_TRACEBACK_CHARS:])
    _log.error("internal error: %s", what)
    _log.debug("%s", text)
    file = _write_traceback(text, folder)
    where = f"The traceback is in {file}; please report it with the run folder" if file else ""
    report = where or "Its traceback could not be written (-vv prints it); please report it"
    return InternalError(
        f"Internal error: {what}. {report} at {_issue_tracker()}.", traceback_file=str(file or "")
    )


def _place_of(error: BaseException) -> str:
    """The innermost line of harness in the traceback of ``error``, as ``file:line``."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "an unknown place"
    ours = [row for row in frames if Path(row.filename).is_relative_to(_PACKAGE)]
    last = (ours or list(frames))[-1]
    path = Path(last.filename)
    name = path.relative_to(_PACKAGE.parent) if ours else Path(path.name)
    return f"{name}:{last.lineno}"


def _write_traceback(text: str, folder: Path | None) -> Path | None:
    """Write ``text`` to a file and return its path; None where that failed."""
    if folder is not None and folder.is_dir() and _append(folder / TRACEBACK_FILE, text):
        return folder / TRACEBACK_FILE
    try:
        state = state_folder() / "tracebacks"
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return None
    now = f"{datetime.datetime.now().astimezone():%Y%m%d-%H%M%S}"
    path = state / f"{now}-{secrets.token_hex(2)}.txt"
    return path if _append(path, text) else None


def _append(path: Path, text: str) -> bool:
    """Append ``text`` to a file that only this user can read; tell whether that worked."""
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
            file.write(text)
    except (OSError, ValueError):
        return False
    return True


def _issue_tracker() -> str:
    """The address of the issue tracker in the package metadata; words for it without one."""
    try:
        rows = metadata.metadata("harness").get_all("Project-URL") or []
    except metadata.PackageNotFoundError:
        rows = []
    urls: dict[str, str] = dict(str(row).split(", ", 1) for row in rows if ", " in str(row))
    return urls.get("Issues", "the issue tracker")

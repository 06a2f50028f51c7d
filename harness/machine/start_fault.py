"""The error for a QEMU that did not start, from its output."""

from __future__ import annotations

import re
import signal

from harness.errors import HostError, ImageChangedError, NoSpaceError, OutOfMemoryError, QemuError

_FREE_SPACE = "Free some space, or set TMPDIR elsewhere."
# First match wins.
_START_FAULTS: tuple[tuple[str, type[HostError], str], ...] = (
    (
        r"cannot set up guest memory|[Cc]annot allocate memory|out of memory",
        OutOfMemoryError,
        "Free some memory, or run fewer machines at once.",
    ),
    (r"No space left on device", NoSpaceError, _FREE_SPACE),
    # A limit of the size of files (prlimit), where its signal is ignored.
    (r"File too large", NoSpaceError, _FREE_SPACE),
    (
        r"Failed to get (shared )?\"?(write|consistent read)\"? lock",
        ImageChangedError,
        "Another process has the image open for writing: stop that machine first.",
    ),
)
# libvirt makes QEMU print the time before each line.
_PROLOGUE = re.compile(r"^(\d{4}-\d\d-\d\dT[\d:.]+Z )?qemu-system-x86_64: ")


def start_fault(said: str, otherwise: str, status: int | None = None) -> HostError:
    """Return the error for a QEMU that ended before its guest ran, from its output ``said``.

    ``otherwise`` replaces an empty output. ``status`` is the exit status, None where it is not
    known.
    """
    if status == -signal.SIGXFSZ:
        # QEMU 10 keeps the screen in such a file, and has it before it has a monitor.
        what = "it wrote more than a run may write here (the file size limit)"
        return NoSpaceError(f"QEMU did not start: {what}.", _FREE_SPACE)
    lines = said.strip().splitlines()
    last = _PROLOGUE.sub("", lines[-1]) if lines else otherwise
    for pattern, fault, remedy in _START_FAULTS:
        if re.search(pattern, said):
            return fault(f"QEMU did not start: {last}", remedy)
    return QemuError(f"QEMU did not start: {last}")

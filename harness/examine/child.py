"""Inspection of the inside of an image, in a child process under limits.

The readers of filesystems and registries are large and partly in C, and the bytes are untrusted.
The child has limits on processor, memory and open files, writes no file, and dies with its
parent; its output is validated. A filesystem that crashes the child costs a finding, not the run.
"""

from __future__ import annotations

import errno
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HarnessError
from harness.evidence.guest_text import printable
from harness.host.bugs import internal_error
from harness.host.limits import ProgramLimits, TooLongError, run_limited
from harness.image.os.system import DiskFacts, IsoLinux, WindowsFacts

if TYPE_CHECKING:
    from harness.image.source import LocalFile
    from harness.net.remote import RemoteFile

_LIMITS = ProgramLimits(
    cpu_s=30, wall_s=120.0, memory_bytes=1536 << 20, open_files=64, output_bytes=8 << 20
)
_REMOTE_BUDGET_BYTES = 512 << 20
_SIGNAL = 128  # a shell's status for signal 0
_BUG_CHARS = 64 << 10
_LIMITED = (errno.EMFILE, errno.ENOMEM, errno.EFBIG)


class Inspection(BaseModel):
    """The facts that the child found: of a disk ``disk``, of a WIM ``windows``, of an ISO ``iso``.

    None where the child ended too early, see ``problem``; ``iso`` also where the ISO starts no
    known Linux.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    disk: DiskFacts | None = None
    windows: WindowsFacts | None = None
    iso: IsoLinux | None = None
    bytes_read: int = 0
    problem: str = ""
    bug: str = ""
    """The traceback of an unexpected exception; "" if missing."""


def inspect(location: str) -> Inspection:
    """Inspect the sound qcow2 that ``location`` names, a file or a link.

    At most 30 s of processor, two minutes in all, and 1.5 GiB of memory. Raises InternalError where
    the child has a bug.
    """
    return _in_child("disk", location)


def inspect_wim(path: Path) -> Inspection:
    """Inspect the image that the ``boot.wim`` at ``path`` starts, within the same limits.

    wimlib-imagex runs under its own lower limits.
    """
    return _in_child("wim", str(path))


def inspect_iso(path: Path) -> Inspection:
    """Inspect the kernel and initrd that the ISO at ``path`` starts, within the same limits."""
    return _in_child("iso", str(path))


def _in_child(what: str, location: str) -> Inspection:
    child = [sys.executable, "-P", "-m", "harness.examine.child", what, location]
    try:
        text, status = run_limited(child, _LIMITS)
    except TooLongError:
        return Inspection(problem=f"it took more than {_LIMITS.wall_s:.0f} s")
    except HarnessError as error:
        return Inspection(problem=str(error))
    try:
        found = Inspection.model_validate_json(text)
    except ValidationError:
        if 0 < status < _SIGNAL:
            what = f"the program that looks into an image ended with status {status}"
            raise internal_error(what, f"{' '.join(child)}: {what}\n") from None
        return Inspection(problem=_limit_problem(status))
    if found.bug:
        raise internal_error(_last_line(found.bug), found.bug)
    return found


def _last_line(text: str) -> str:
    """Return the exception class in the last line of a traceback, and the program that raised."""
    kind = printable(text.rstrip().rpartition("\n")[2].partition(":")[0], 100)
    return f"{kind} in the program that looks into an image"


def _limit_problem(status: int) -> str:
    if status == -24 or status == 128 + 24:  # SIGXCPU
        return f"it took more than {_LIMITS.cpu_s} s of the processor"
    if status < 0:
        return f"a reader of file systems crashed (signal {-status})"
    return f"a reader of file systems crashed (signal {status - _SIGNAL})"


def _read_disk(location: str) -> Inspection:
    from harness.image.container.qcow2 import read_qcow2
    from harness.image.container.qcow2_disk import Qcow2Disk
    from harness.image.os.disk import read_disk
    from harness.image.source import OutOfReachError
    from harness.net.link import LinkError

    try:
        with _open(location) as source:
            facts = read_disk(Qcow2Disk(source, read_qcow2(source)))
            return Inspection(disk=facts, bytes_read=source.bytes_read)
    except OutOfReachError:
        return Inspection(problem="the server does not give the parts of the file by range")
    except LinkError as error:
        return Inspection(problem=str(error))


def _open(location: str) -> RemoteFile | LocalFile:
    """Open the file or link. The HTTP client is imported late: it is slow, and most are files."""
    from harness.image.source import LocalFile
    from harness.net.link import is_url

    if not is_url(location):
        return LocalFile(Path(location))
    from harness.net.remote import RemoteFile

    return RemoteFile(location, _LIMITS.wall_s, _REMOTE_BUDGET_BYTES)


def _read_wim(location: str) -> Inspection:
    from harness.image.os.wim import WimError, WimFiles, setup_image
    from harness.image.os.windows import read_windows

    try:
        image = setup_image(Path(location))
        volume = f"image {image.index} of {image.count}" + (image.name and f", {image.name}")
        return Inspection(windows=read_windows(WimFiles(Path(location), image), volume))
    except WimError as error:
        return Inspection(problem=str(error))


def _read_iso(location: str) -> Inspection:
    from harness.image.os.iso_linux import read_iso_linux
    from harness.image.source import LocalFile

    with LocalFile(Path(location)) as source:
        return Inspection(iso=read_iso_linux(source), bytes_read=source.bytes_read)


_READERS = {"disk": _read_disk, "wim": _read_wim, "iso": _read_iso}


def _main(what: str, location: str) -> None:
    """Print what the child found as JSON."""
    try:
        said = _READERS[what](location).model_dump_json()
    except MemoryError:
        said = Inspection(problem="it took more memory than it may").model_dump_json()
    except HarnessError as error:
        said = Inspection(problem=str(error)).model_dump_json()
    except OSError as error:
        if error.errno not in _LIMITED:
            said = _bug()
        else:
            said = Inspection(problem=f"it met a limit: {error.strerror}").model_dump_json()
    except Exception:
        # What the libraries raise on hostile bytes is caught where they are called.
        said = _bug()
    sys.stdout.write(said)


def _bug() -> str:
    return Inspection(bug=traceback.format_exc()[-_BUG_CHARS:]).model_dump_json()


if __name__ == "__main__":
    _main(sys.argv[1], sys.argv[2])

"""The files of an image in a WIM, read by wimlib-imagex (wimlib, GPL-3; a program of the host).

wimlib is C and parses untrusted bytes: it runs under limits, writes only to stdout, and its output
is bounded. It verifies the hash of each file that it extracts.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import FormatError
from harness.host.limits import ProgramLimits, TooLongError, run_limited
from harness.host.programs import find_program
from harness.image.fs.node import MAX_FILE_BYTES

# A boot.wim lists some 25 000 files in 2 MB.
_LIMITS = ProgramLimits(
    cpu_s=20, wall_s=60.0, memory_bytes=1 << 30, open_files=32, output_bytes=16 << 20
)
_SETUP_INDEX = 2  # Microsoft's boot.wim: 1 is Windows PE, 2 is Windows Setup


class WimError(FormatError):
    """An unreadable WIM. ``str()`` is the reason, as a clause."""


@dataclass(frozen=True, slots=True)
class WimImage:
    """An image of a WIM: its index from 1, the number of images, and its name."""

    index: int
    count: int
    name: str


class WimFiles:
    """The files of one image. Paths are absolute, with ``/``, and ignore case; no links."""

    def __init__(self, path: Path, image: WimImage) -> None:
        """List the image; raises WimError where that fails, HostError without wimlib."""
        self._path = path
        self.image = image
        listed = _wimlib("dir", str(path), str(image.index)).decode("utf-8", errors="replace")
        self._paths = {row.lower(): row for row in listed.splitlines()}

    def exists(self, path: str) -> bool:
        """Tell whether ``path`` exists."""
        return path.lower() in self._paths

    def match(self, pattern: str) -> list[str]:
        """The paths that match ``pattern``, sorted; ``*`` matches within one name."""
        parts = pattern.lower().split("/")
        return sorted(
            path
            for key, path in self._paths.items()
            if key.count("/") == len(parts) - 1
            and all(map(fnmatch.fnmatchcase, key.split("/"), parts))
        )

    def read(self, path: str, limit_bytes: int = MAX_FILE_BYTES) -> bytes | None:
        """The content of a file; None if missing. Raises WimError where reading fails."""
        name = self._paths.get(path.lower())
        if name is None:
            return None
        where = (str(self._path), str(self.image.index), name)
        return _wimlib("extract", *where, "--to-stdout", "--no-globs", limit_bytes=limit_bytes)


def setup_image(path: Path) -> WimImage:
    """The image that a ``boot.wim`` starts: the marked one, else the second, or the only one.

    Raises WimError for an unreadable WIM, HostError without wimlib.
    """
    text = _wimlib("info", str(path), with_stderr=True).decode("utf-8", errors="replace")
    # The facts of the WIM come before those of its images, which are untrusted text.
    count, marked = _number(text, "Image Count"), _number(text, "Boot Index")
    if not count:
        raise WimError("boot.wim holds no image")
    index = marked if 1 <= marked <= count else min(_SETUP_INDEX, count)
    named = re.search(rf"^Index: +{index}\nName: +(.*)$", text, flags=re.MULTILINE)
    return WimImage(index, count, named[1] if named else "")


def _number(text: str, name: str) -> int:
    found = re.search(rf"^{name}: +(\d{{1,9}})$", text, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def _wimlib(
    command: str, *words: str, limit_bytes: int | None = None, with_stderr: bool = False
) -> bytes:
    """Run ``wimlib-imagex command words`` and return its output."""
    limits = _LIMITS if limit_bytes is None else replace(_LIMITS, output_bytes=limit_bytes + 1)
    line = [str(find_program("wimlib-imagex")), command, *words]
    try:
        output, status = run_limited(line, limits, with_stderr=with_stderr)
    except TooLongError as error:
        raise WimError(f"wimlib took more than {limits.wall_s:.0f} s for boot.wim") from error
    if len(output) >= limits.output_bytes:
        raise WimError(f"wimlib {command} says more of boot.wim than is read of it")
    if status != 0:
        lines = output.decode("utf-8", errors="replace").strip().splitlines() if with_stderr else []
        reason = lines[-1].strip().rstrip(".")[:200] if lines else f"it ended with status {status}"
        raise WimError(f"wimlib cannot read boot.wim: {reason}")
    return output

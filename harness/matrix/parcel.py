"""The evidence of a run, packed by the machine that ran it: files by name, within limits.

The files hold text of a guest. Their names and sizes are checked where they arrive, whatever the
sender.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from harness.errors import FormatError
from harness.trial.result import EVIDENCE_FILE, RESULT_FILE

MAX_FILE_BYTES = 64 << 20
MAX_BYTES = 128 << 20
MAX_FILES = 500
_MAX_DEPTH = 4
LEFT_OUT = "not-sent.txt"
"""The file in a run folder that lists the files that were too large to send, a line each."""

_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,120}")
# The files from which the verdict can be reached again go first.
_FIRST = (EVIDENCE_FILE, RESULT_FILE)


class ParcelError(FormatError):
    """A parcel that may not be unpacked; ``str()`` gives the reason."""


def pack(folder: Path) -> dict[str, bytes]:
    """Return the files below ``folder`` by their names relative to it, as many as fit.

    Evidence comes first, then the smallest files. Files that do not fit are named in a file
    ``LEFT_OUT`` of their run folder; anything but regular files is skipped.
    """
    packed: dict[str, bytes] = {}
    left_out: dict[str, list[str]] = {}
    room_bytes = MAX_BYTES
    for path, size_bytes in sorted(_files(folder), key=_order):
        name = path.relative_to(folder).as_posix()
        fits = size_bytes <= min(MAX_FILE_BYTES, room_bytes) and len(packed) < MAX_FILES // 2
        if not fits or not _is_name(name):
            run, _, inner = name.partition("/")
            left_out.setdefault(run, []).append(f"{inner or run} {size_bytes} bytes\n")
            continue
        packed[name] = path.read_bytes()[:MAX_FILE_BYTES]
        room_bytes -= len(packed[name])
    for run, lines in left_out.items():
        packed[f"{run}/{LEFT_OUT}"] = "".join(lines[:MAX_FILES]).encode("ascii", "replace")
    return packed


def unpack(files: Mapping[object, object], folder: Path, name: str) -> None:
    """Write ``files`` below ``folder``: the run ``name`` and those of its failed attempts.

    Raises ParcelError, before anything is written, if a name leads elsewhere, a value is no file
    content, or there is too much.
    """
    checked = dict(_checked(files, name))
    if len(checked) > MAX_FILES or sum(map(len, checked.values())) > MAX_BYTES + MAX_FILE_BYTES:
        raise ParcelError("more than is ever sent")
    folders = {str(parent) for where in checked for parent in PurePosixPath(where).parents}
    if folders & checked.keys():
        raise ParcelError("a file in it is a folder, too")
    for where, content in checked.items():
        path = folder / where
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(content)


def _checked(files: Mapping[object, object], name: str) -> Iterator[tuple[str, bytes]]:
    run = re.compile(rf"{re.escape(name)}(\.attempt-[0-9]{{1,3}})?")
    for where, content in files.items():
        if not isinstance(where, str) or not isinstance(content, bytes):
            raise ParcelError("something in it is no file")
        if not _is_name(where) or not run.fullmatch(where.partition("/")[0]):
            raise ParcelError(f"a file in it has the name {where[:80]!r}")
        yield where, content


def _is_name(name: str) -> bool:
    parts = name.split("/")
    return 2 <= len(parts) <= _MAX_DEPTH and all(_PART.fullmatch(part) for part in parts)


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for base, _, names in os.walk(folder):
        for name in names:
            path = Path(base) / name
            if path.is_file() and not path.is_symlink():
                yield path, path.stat().st_size


def _order(row: tuple[Path, int]) -> tuple[bool, int, str]:
    path, size_bytes = row
    return path.name not in _FIRST, size_bytes, str(path)

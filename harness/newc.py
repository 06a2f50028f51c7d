"""Archives that the kernel takes as its initramfs: written, and put behind one that exists.

Linux, Documentation/driver-api/early-userspace/buffer-format.rst: the "newc" format. All numbers
are eight hexadecimal digits; names and contents are padded to four bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

MAGIC = "070701"
TRAILER = "TRAILER!!!"

_Row = tuple[str, int, bytes, tuple[int, int]]


def newc(files: Mapping[str, bytes], folders: Iterable[str] = ()) -> bytes:
    """``files`` by path, all of them executable and root's, in ``folders`` and their parents.

    A device node for the console is in it: the kernel opens that before init runs.
    """
    rows = [_folder(path) for path in folders]
    rows.append(("dev/console", stat.S_IFCHR | 0o600, b"", (5, 1)))
    return _archive([*rows, *(_file(path, content) for path, content in files.items())])


def with_files(initrd: bytes, files: Mapping[str, bytes]) -> bytes:
    """``initrd`` with ``files`` by path behind what it has, each in place of one of its name.

    The kernel unpacks one archive after the other, and takes a plain one only where it begins at
    a multiple of four bytes (``unpack_to_rootfs``, init/initramfs.c); zeros between are skipped.
    """
    folders = (_folder(path) for path in _parents(files))
    return _padded(initrd) + _archive([*folders, *(_file(*item) for item in files.items())])


def _parents(paths: Iterable[str]) -> Iterator[str]:
    """The folders that ``paths`` lie in, outermost first."""
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    yield from sorted(folders - {"."})


def _folder(path: str) -> _Row:
    return path, stat.S_IFDIR | 0o755, b"", (0, 0)


def _file(path: str, content: bytes) -> _Row:
    return path, stat.S_IFREG | 0o755, content, (0, 0)


def _archive(rows: Iterable[_Row]) -> bytes:
    entries = (_entry(number, *row) for number, row in enumerate(rows, start=1))
    return b"".join(entries) + _entry(0, TRAILER, 0, b"", (0, 0))


def _entry(number: int, path: str, mode: int, content: bytes, device: tuple[int, int]) -> bytes:
    name = path.encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, *device, len(name), 0)
    head = MAGIC.encode() + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

"""Archives that the kernel takes as its initramfs: written, and put behind one that exists.

Linux, Documentation/driver-api/early-userspace/buffer-format.rst: the "newc" format. All numbers
are eight hexadecimal digits; names and contents are padded to four bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

MAGIC = "070701"
TRAILER = "TRAILER!!!"
HEADER_BYTES = 110
_MAGICS = (MAGIC.encode(), b"070702")  # the second has checksums, which the kernel does not check


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of an archive; the content of a symbolic link is its target."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the name of an entry: ``name_bytes`` counts the zero behind the name."""

    mode: int
    size_bytes: int
    name_bytes: int

    @property
    def name_padding_bytes(self) -> int:
        """The zeros between the name and the content."""
        return -(HEADER_BYTES + self.name_bytes) % 4

    @property
    def padding_bytes(self) -> int:
        """The zeros behind the content."""
        return -self.size_bytes % 4


def begins_archive(head: bytes) -> bool:
    """Whether an archive begins with ``head``."""
    return head[:6] in _MAGICS


def read_header(head: bytes) -> Header:
    """The header at the start of ``head``; raises ValueError where there is none."""
    if len(head) < HEADER_BYTES or not begins_archive(head):
        raise ValueError("no header of an archive")
    mode, size_bytes, name_bytes = (int(head[at : at + 8], 16) for at in (14, 54, 94))
    return Header(mode, size_bytes, name_bytes)


def newc(files: Mapping[str, bytes], folders: Iterable[str] = ()) -> bytes:
    """``files`` by path, all of them executable and root's, in ``folders`` and their parents.

    A device node for the console is in it: the kernel opens that before init runs.
    """
    console = Entry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    return pack([*map(_folder, folders), console, *_files(files)])


def with_files(initrd: bytes, files: Mapping[str, bytes]) -> bytes:
    """``initrd`` with ``files`` by path behind what it has, each in place of one of its name.

    The kernel unpacks one archive after the other, and takes a plain one only where it begins at
    a multiple of four bytes (``unpack_to_rootfs``, init/initramfs.c); zeros between are skipped.
    """
    return _padded(initrd) + pack([*map(_folder, _parents(files)), *_files(files)])


def pack(entries: Iterable[Entry]) -> bytes:
    """An archive of ``entries`` in their order, all of them root's and without a time."""
    packed = [_packed(number, entry) for number, entry in enumerate(entries, start=1)]
    return b"".join(packed) + _packed(0, Entry(TRAILER, 0))


def _parents(paths: Iterable[str]) -> Iterator[str]:
    """The folders that ``paths`` lie in, outermost first."""
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    yield from sorted(folders - {"."})


def _folder(path: str) -> Entry:
    return Entry(path, stat.S_IFDIR | 0o755)


def _files(files: Mapping[str, bytes]) -> Iterator[Entry]:
    for path, content in files.items():
        yield Entry(path, stat.S_IFREG | 0o755, content)


def _packed(number: int, entry: Entry) -> bytes:
    name = entry.path.encode() + b"\0"
    size_bytes = len(entry.content)
    fields = (number, entry.mode, 0, 0, 1, 0, size_bytes, 0, 0, *entry.device, len(name), 0)
    head = MAGIC.encode() + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

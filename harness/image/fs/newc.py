"""newc archives, the format of an initramfs: written, and appended to an existing one.

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
class NewcEntry:
    """A file in an archive; the content of a symbolic link is its target."""

    path: str
    mode: int
    content: bytes = b""
    device: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class NewcHeader:
    """The header of an entry. ``name_bytes`` includes the final zero of the name."""

    mode: int
    size_bytes: int
    name_bytes: int

    @property
    def name_padding_bytes(self) -> int:
        """The padding between the name and the content."""
        return -(HEADER_BYTES + self.name_bytes) % 4

    @property
    def padding_bytes(self) -> int:
        """The padding after the content."""
        return -self.size_bytes % 4


def begins_archive(head: bytes) -> bool:
    """Tell whether ``head`` is the start of an archive."""
    return head[:6] in _MAGICS


def read_header(head: bytes) -> NewcHeader:
    """Parse the header at the start of ``head``; raises ValueError if missing."""
    if len(head) < HEADER_BYTES or not begins_archive(head):
        raise ValueError("no header of an archive")
    mode, size_bytes, name_bytes = (int(head[at : at + 8], 16) for at in (14, 54, 94))
    return NewcHeader(mode, size_bytes, name_bytes)


def newc_archive(files: Mapping[str, bytes], folders: Iterable[str] = ()) -> bytes:
    """Make an archive of ``folders`` and ``files`` by path, executable and owned by root.

    It has a device node for the console, which the kernel opens before init runs.
    """
    console = NewcEntry("dev/console", stat.S_IFCHR | 0o600, device=(5, 1))
    return pack_newc([*map(_folder, folders), console, *_files(files)])


def append_files(initrd: bytes, files: Mapping[str, bytes]) -> bytes:
    """Append ``files`` by path to ``initrd``; they replace existing files of the same name.

    The kernel unpacks concatenated archives; an uncompressed one must begin at a multiple of four
    bytes (``unpack_to_rootfs``, init/initramfs.c); zeros between archives are skipped.
    """
    return _padded(initrd) + pack_newc([*map(_folder, _parents(files)), *_files(files)])


def pack_newc(entries: Iterable[NewcEntry]) -> bytes:
    """Make an archive of ``entries`` in their order, owned by root and without times."""
    rows = [_entry_bytes(number, entry) for number, entry in enumerate(entries, start=1)]
    return b"".join(rows) + _entry_bytes(0, NewcEntry(TRAILER, 0))


def _parents(paths: Iterable[str]) -> Iterator[str]:
    """Yield the parent folders of ``paths``, outermost first."""
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents}
    yield from sorted(folders - {"."})


def _folder(path: str) -> NewcEntry:
    return NewcEntry(path, stat.S_IFDIR | 0o755)


def _files(files: Mapping[str, bytes]) -> Iterator[NewcEntry]:
    for path, content in files.items():
        yield NewcEntry(path, stat.S_IFREG | 0o755, content)


def _entry_bytes(number: int, entry: NewcEntry) -> bytes:
    name = entry.path.encode() + b"\0"
    size_bytes = len(entry.content)
    fields = (number, entry.mode, 0, 0, 1, 0, size_bytes, 0, 0, *entry.device, len(name), 0)
    head = MAGIC.encode() + b"".join(b"%08x" % field for field in fields) + name
    return _padded(head) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)

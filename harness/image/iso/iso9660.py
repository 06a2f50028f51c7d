"""ISO 9660: volume descriptors and files by path, with Rock Ridge and Joliet names.

After ECMA-119 (sections in parentheses below), the Rock Ridge Interchange Protocol 1.12 and the
Joliet specification of 1995. Only the folders on the way to a path are read, so an ISO of any size,
local or remote, needs reads of a few kilobytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from harness.image.source import ImageSource, Pieces

SECTOR_BYTES = 2048
_FIRST_DESCRIPTOR = 16  # 6.2.1: sectors 0-15 are the system area
_MAX_DESCRIPTORS = 64
_MAX_FOLDER_BYTES = 2 << 20
_JOLIET_ESCAPES = (b"%/@", b"%/C", b"%/E")
_FLAG_FOLDER, _FLAG_CONTINUES = 0x02, 0x80  # 9.1.6
_TERMINATOR = 255


@dataclass(frozen=True, slots=True)
class VolumeDescriptor:
    """A volume descriptor: its sector number, type (8.1.1) and bytes."""

    sector: int
    type: int
    content: bytes


@dataclass(frozen=True, slots=True)
class IsoEntry:
    """A file or folder on an ISO. ``offset`` is in bytes from the start of the ISO.

    ``extents`` are the offsets and sizes of the parts of a file with more than one.
    """

    name: str
    is_folder: bool
    offset: int
    size_bytes: int
    extents: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class IsoVolume:
    """The fields of a primary or supplementary volume descriptor (8.4, 8.5).

    ``faults`` are the violations with which a kernel would not mount it.
    """

    sector: int
    identifier: str
    size_blocks: int
    block_bytes: int
    joliet: bool
    root: IsoEntry
    faults: tuple[tuple[int, str], ...] = field(default=())

    @property
    def size_bytes(self) -> int:
        """The stated size of the volume."""
        return self.size_blocks * self.block_bytes


def read_descriptors(source: ImageSource) -> list[VolumeDescriptor]:
    """Read the volume descriptors up to the terminator, or to the first invalid one."""
    descriptors = []
    for sector in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + _MAX_DESCRIPTORS):
        content = source.read_at(sector * SECTOR_BYTES, SECTOR_BYTES)
        if len(content) < SECTOR_BYTES or content[1:6] != b"CD001":
            break
        descriptors.append(VolumeDescriptor(sector, content[0], content))
        if content[0] == _TERMINATOR:
            break
    return descriptors


def read_volume(descriptor: VolumeDescriptor) -> IsoVolume:
    """Parse a primary (type 1) or supplementary (type 2) descriptor."""
    content = descriptor.content
    base = descriptor.sector * SECTOR_BYTES
    joliet = descriptor.type == 2 and content[88:91] in _JOLIET_ESCAPES
    encoding = "utf-16-be" if joliet else "ascii"
    (size_blocks,) = struct.unpack_from("<I", content, 80)
    (block_bytes,) = struct.unpack_from("<H", content, 128)
    faults = []
    if block_bytes not in (512, 1024, 2048):
        faults.append((base + 128, f"the logical block size is {block_bytes}"))
    record = content[156:190]
    extent, length = struct.unpack_from("<I4xI", record, 2)
    if record[0] < 34 or not record[25] & _FLAG_FOLDER:
        faults.append((base + 156, "the root directory record is none"))
    elif extent >= max(size_blocks, 1):
        faults.append((base + 158, f"the root directory at block {extent} is outside the volume"))
    elif length == 0:
        faults.append((base + 166, "the root directory is empty"))
    root = IsoEntry("", is_folder=True, offset=extent * block_bytes, size_bytes=length)
    return IsoVolume(
        sector=descriptor.sector,
        identifier=content[40:72].decode(encoding, errors="replace").rstrip(" \0"),
        size_blocks=size_blocks,
        block_bytes=block_bytes,
        joliet=joliet,
        root=root,
        faults=tuple(faults),
    )


class IsoFiles:
    """The files of one volume of an ISO."""

    def __init__(self, source: ImageSource, volume: IsoVolume) -> None:
        self._source = source
        self._volume = volume
        self._folders: dict[int, list[IsoEntry]] = {}

    @property
    def root(self) -> IsoEntry:
        """The root folder."""
        return self._volume.root

    def entries(self, folder: IsoEntry) -> list[IsoEntry]:
        """The entries of ``folder``."""
        if folder.offset not in self._folders:
            length = min(folder.size_bytes, _MAX_FOLDER_BYTES)
            table = self._source.read_at(folder.offset, length)
            self._folders[folder.offset] = list(_joined(self._records(table)))
        return self._folders[folder.offset]

    def content(self, entry: IsoEntry) -> ImageSource:
        """The content of a file as a source."""
        return Pieces(self._source, entry.extents or ((entry.offset, entry.size_bytes),))

    def size_bytes(self, entry: IsoEntry) -> int:
        """The stated size of a file, even beyond the end of the ISO."""
        return entry.size_bytes

    def _records(self, table: bytes) -> Iterator[tuple[IsoEntry, bool]]:
        """Yield directory records (9.1), each with whether the next one continues the same file.

        No record crosses the end of a sector; the rest of a sector is zero.
        """
        at = 0
        while at + 33 < len(table):
            length = table[at]
            if length == 0:
                at = (at // SECTOR_BYTES + 1) * SECTOR_BYTES
                continue
            record = table[at : at + length]
            at += length
            if length < 34 or len(record) < 33 + record[32]:
                continue
            raw_name = record[33 : 33 + record[32]]
            if raw_name in (b"\0", b"\1"):
                continue
            extent, size_bytes = struct.unpack_from("<I4xI", record, 2)
            entry = IsoEntry(
                self._name(record, raw_name),
                bool(record[25] & _FLAG_FOLDER),
                (extent + record[1]) * self._volume.block_bytes,
                size_bytes,
            )
            yield entry, bool(record[25] & _FLAG_CONTINUES)

    def _name(self, record: bytes, raw_name: bytes) -> str:
        if self._volume.joliet:
            name = raw_name.decode("utf-16-be", errors="replace")
        else:
            name = self._rock_ridge_name(record) or raw_name.decode("ascii", errors="replace")
        # 7.5: a file identifier ends with its version; an empty extension leaves a dot.
        return name.split(";")[0].rstrip(".") if ";" in name else name

    def _rock_ridge_name(self, record: bytes) -> str:
        """The name in the NM entries of the System Use field; "" without them."""
        area = record[33 + record[32] + (record[32] + 1) % 2 :]
        name = b""
        for hops in range(4):
            continuation = None
            for signature, entry in _system_use_entries(area):
                if signature == b"NM" and len(entry) > 5:
                    name += entry[5:]
                elif signature == b"CE" and len(entry) >= 28:
                    block, offset, length = struct.unpack_from("<I4xI4xI", entry, 4)
                    at = block * self._volume.block_bytes + offset
                    continuation = at, min(length, SECTOR_BYTES)
            if continuation is None or hops == 3:
                break
            area = self._source.read_at(*continuation)
        return name.decode("utf-8", errors="replace")


def _joined(records: Iterable[tuple[IsoEntry, bool]]) -> Iterator[IsoEntry]:
    """Join the records of each file: one of 4 GiB and more has one for each extent (6.5.1)."""
    parts: list[IsoEntry] = []
    for entry, continues in records:
        parts.append(entry)
        if not continues:
            yield _one_file(parts)
            parts = []
    if parts:
        yield _one_file(parts)


def _one_file(parts: list[IsoEntry]) -> IsoEntry:
    if len(parts) == 1:
        return parts[0]
    extents = tuple((part.offset, part.size_bytes) for part in parts)
    return replace(parts[0], size_bytes=sum(size for _, size in extents), extents=extents)


def _system_use_entries(area: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield entries of the System Use Sharing Protocol 1.12: signature, length, version, data."""
    at = 0
    while at + 4 <= len(area):
        length = area[at + 2]
        if length < 4:
            return
        yield area[at : at + 2], area[at : at + length]
        at += length

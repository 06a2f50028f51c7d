"""UDF as installation ISOs use it (UDF 1.02 to 2.01), read file by file.

After ECMA-167, 3rd edition (parts and sections in parentheses below), and OSTA's UDF 2.01. A
Windows ISO is a "bridge": its ISO 9660 part has only a readme, its UDF part the files.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.image.iso.iso9660 import SECTOR_BYTES, IsoEntry
from harness.image.source import ImageSource, Pieces, Window

_ANCHOR_SECTOR = 256  # 3/8.4.2.1
_MAX_SEQUENCE_SECTORS = 64
_MAX_FOLDER_BYTES = 2 << 20
_MAX_EXTENTS = 64

# Tag identifiers (3/7.2.1, 4/7.2.1).
_TAG_ANCHOR, _TAG_PARTITION, _TAG_LOGICAL_VOLUME, _TAG_TERMINATOR = 2, 5, 6, 8
_TAG_FILE_SET, _TAG_FILE_IDENTIFIER = 256, 257
_FILE_ENTRIES = {261: (168, 176), 266: (208, 216)}  # 4/14.9, 4/14.17: L_EA, start of the rest

_FID_FOLDER, _FID_DELETED, _FID_PARENT = 0x02, 0x04, 0x08  # 4/14.4.3


@dataclass(frozen=True, slots=True)
class _Extent:
    offset: int
    length: int


class UdfFiles:
    """The files of a UDF volume."""

    def __init__(
        self, source: ImageSource, partition_offset: int, root: IsoEntry, name: str
    ) -> None:
        self._source = source
        self._partition_offset = partition_offset
        self.root = root
        self.identifier = name
        self._folders: dict[int, list[IsoEntry]] = {}

    @classmethod
    def open(cls, source: ImageSource) -> UdfFiles | None:
        """Open the volume of the anchor in sector 256; None if missing."""
        anchor = _descriptor(source, _ANCHOR_SECTOR * SECTOR_BYTES)
        if _tag(anchor) != _TAG_ANCHOR:
            return None
        length, first = struct.unpack_from("<II", anchor, 16)
        partition_offset = file_set_block = None
        name = ""
        for index in range(min(length // SECTOR_BYTES, _MAX_SEQUENCE_SECTORS)):
            row = _descriptor(source, (first + index) * SECTOR_BYTES)
            tag = _tag(row)
            if tag == _TAG_PARTITION:
                partition_offset = int.from_bytes(row[188:192], "little") * SECTOR_BYTES
            elif tag == _TAG_LOGICAL_VOLUME:
                if int.from_bytes(row[212:216], "little") != SECTOR_BYTES:
                    return None
                file_set_block = int.from_bytes(row[252:256], "little")
                name = _dstring(row[84:212])
            elif tag in (_TAG_TERMINATOR, None):
                break
        if partition_offset is None or file_set_block is None:
            return None
        file_set = _descriptor(source, partition_offset + file_set_block * SECTOR_BYTES)
        if _tag(file_set) != _TAG_FILE_SET:
            return None
        root_block = int.from_bytes(file_set[404:408], "little")
        root_offset = partition_offset + root_block * SECTOR_BYTES
        root = IsoEntry("", is_folder=True, offset=root_offset, size_bytes=0)
        return cls(source, partition_offset, root, name)

    def entries(self, folder: IsoEntry) -> list[IsoEntry]:
        """The entries of ``folder``. The offset of an entry is that of its file entry (ICB)."""
        if folder.offset not in self._folders:
            table = self._read(folder.offset, _MAX_FOLDER_BYTES)
            self._folders[folder.offset] = list(self._identifiers(table))
        return self._folders[folder.offset]

    def content(self, entry: IsoEntry) -> ImageSource:
        """The content of a file as a source, up to the first unsupported extent."""
        extents = ((part.offset, part.length) for part in self._extents(entry.offset))
        return Window(Pieces(self._source, extents), 0, self.size_bytes(entry))

    def size_bytes(self, entry: IsoEntry) -> int:
        """The stated size of a file (4/14.9.10), even beyond its extents."""
        row = _descriptor(self._source, entry.offset)
        return int.from_bytes(row[56:64], "little") if _tag(row) in _FILE_ENTRIES else 0

    def _read(self, icb_offset: int, limit: int) -> bytes:
        parts = []
        for extent in self._extents(icb_offset):
            length = min(extent.length, limit)
            parts.append(self._source.read_at(extent.offset, length))
            limit -= length
        return b"".join(parts)

    def _extents(self, icb_offset: int) -> list[_Extent]:
        """The data of a file (4/14.6.8, 4/14.14): in its entry, or in extents.

        The list ends before an unrecorded extent, and where it continues elsewhere.
        """
        entry = _descriptor(self._source, icb_offset)
        layout = _FILE_ENTRIES.get(_tag(entry) or 0)
        if layout is None:
            return []
        at, body = layout
        attributes, length = struct.unpack_from("<II", entry, at)
        start = body + attributes
        table = entry[start : start + length]
        kind = int.from_bytes(entry[34:36], "little") & 7
        if kind == 3:
            return [_Extent(icb_offset + start, len(table))]
        step = {0: 8, 1: 16}.get(kind)
        if step is None:
            return []
        extents = []
        for row in range(0, min(len(table), step * _MAX_EXTENTS) - step + 1, step):
            size, block = struct.unpack_from("<II", table, row)
            # The two highest bits are the type; 0 is a recorded extent (4/14.14.1.1).
            if size == 0 or size >> 30:
                break
            extents.append(_Extent(self._partition_offset + block * SECTOR_BYTES, size))
        return extents

    def _identifiers(self, table: bytes) -> Iterator[IsoEntry]:
        """Yield file identifier descriptors (4/14.4); each is padded to four bytes."""
        at = 0
        while at + 38 <= len(table):
            if int.from_bytes(table[at : at + 2], "little") != _TAG_FILE_IDENTIFIER:
                return
            flags, name_bytes = table[at + 18], table[at + 19]
            block = int.from_bytes(table[at + 24 : at + 28], "little")
            use_bytes = int.from_bytes(table[at + 36 : at + 38], "little")
            start = at + 38 + use_bytes
            name = _characters(table[start : start + name_bytes])
            at += -(-(38 + use_bytes + name_bytes) // 4) * 4
            if name and not flags & (_FID_DELETED | _FID_PARENT):
                offset = self._partition_offset + block * SECTOR_BYTES
                yield IsoEntry(name, bool(flags & _FID_FOLDER), offset, 0)


def _descriptor(source: ImageSource, offset: int) -> bytes:
    return source.read_at(offset, SECTOR_BYTES).ljust(SECTOR_BYTES, b"\0")


def _tag(descriptor: bytes) -> int | None:
    """The identifier of a tag with a correct checksum (3/7.2.3), else None."""
    tag = descriptor[:16]
    if (sum(tag) - tag[4]) & 0xFF != tag[4] or not any(tag):
        return None
    return int.from_bytes(tag[:2], "little")


def _characters(coded: bytes) -> str:
    """Decode OSTA compressed Unicode (UDF 2.1.1): the first byte is 8 or 16 bits a character."""
    if not coded:
        return ""
    encoding = "utf-16-be" if coded[0] == 16 else "latin-1"
    return coded[1:].decode(encoding, errors="replace")


def _dstring(field: bytes) -> str:
    """Decode a fixed-length string (3/7.2.12): its last byte is its length."""
    return _characters(field[: min(field[-1], len(field) - 1)])

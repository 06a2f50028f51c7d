"""FAT12, FAT16 and FAT32, read file by file: enough to find a boot loader.

After Microsoft's "FAT32 File System Specification" 1.03, with its names for the fields of the BIOS
parameter block. Reads lazily, and only the requested part of a file, for slow sources.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.image.source import ImageSource, Memory

_BPB = struct.Struct("<HBHBHHBHHHII")
_ATTR_VOLUME_ID, _ATTR_DIRECTORY, _ATTR_LONG_NAME = 0x08, 0x10, 0x0F
_MAX_DIRECTORY_BYTES = 1 << 20
_MAX_FILE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FatEntry:
    """A file or folder of a FAT volume."""

    name: str
    is_folder: bool
    first_cluster: int
    size_bytes: int


class FatVolume:
    """A FAT volume over a source."""

    def __init__(self, source: ImageSource, bpb: tuple[int, ...], root_cluster: int) -> None:
        sector, per_cluster, reserved, fats, root_entries, total16, _, fat16 = bpb[:8]
        total, fat_sectors = total16 or bpb[11], fat16
        if not fat_sectors:
            fat_sectors = int.from_bytes(source.read_at(36, 4), "little")
        self._source = source
        self._cluster_bytes = sector * per_cluster
        self._fat_offset = reserved * sector
        self._root_offset = (reserved + fats * fat_sectors) * sector
        self._root_bytes = root_entries * 32
        data_sector = reserved + fats * fat_sectors + -(-self._root_bytes // sector)
        self._data_offset = data_sector * sector
        clusters = max(0, total - data_sector) // per_cluster
        # The number of clusters decides the width (specification, "FAT Type Determination").
        self._bits = 12 if clusters < 4085 else 16 if clusters < 65525 else 32
        self._root_cluster = root_cluster if self._bits == 32 else 0
        self.size_bytes = total * sector

    @classmethod
    def open(cls, source: ImageSource) -> FatVolume | None:
        """Open the volume at the start of ``source``; None where there is no FAT."""
        head = source.read_at(0, 512)
        if len(head) < 512:
            return None
        bpb = _BPB.unpack_from(head, 11)
        sector, per_cluster, reserved, fats = bpb[:4]
        powers = (512, 1024, 2048, 4096)
        if sector not in powers or per_cluster.bit_count() != 1 or not reserved or not fats:
            return None
        if head[0] not in (0xEB, 0xE9) and head[510:512] != b"\x55\xaa":
            return None
        return cls(source, bpb, int.from_bytes(head[44:48], "little"))

    def find(self, path: str) -> FatEntry | None:
        """The entry at ``path`` (``/`` between names, any case); None if missing."""
        entries = self.entries()
        found = None
        for name in path.strip("/").split("/"):
            found = next((entry for entry in entries if entry.name.lower() == name.lower()), None)
            if found is None:
                return None
            entries = self.entries(found) if found.is_folder else []
        return found

    def entries(self, folder: FatEntry | None = None) -> list[FatEntry]:
        """The entries of ``folder``, or of the root."""
        if folder is None and not self._root_cluster:
            length = min(self._root_bytes, _MAX_DIRECTORY_BYTES)
            return list(_entries(self._source.read_at(self._root_offset, length)))
        cluster = folder.first_cluster if folder else self._root_cluster
        return list(_entries(self._chain(cluster, _MAX_DIRECTORY_BYTES)))

    def read(self, entry: FatEntry, limit_bytes: int = _MAX_FILE_BYTES) -> bytes:
        """The content of a file, ``limit_bytes`` at most."""
        return self._chain(entry.first_cluster, min(entry.size_bytes, limit_bytes))

    def head(self, entry: FatEntry, length: int) -> Memory:
        """The first ``length`` bytes of a file, as a source."""
        return Memory(self.read(entry, length))

    def _chain(self, cluster: int, length: int) -> bytes:
        """Read ``length`` bytes of the file at ``cluster``; fewer where its cluster chain ends."""
        parts: list[bytes] = []
        visited: set[int] = set()
        end = {12: 0xFF8, 16: 0xFFF8, 32: 0x0FFFFFF8}[self._bits]
        while length > 0 and 2 <= cluster < end and cluster not in visited:
            visited.add(cluster)
            at = self._data_offset + (cluster - 2) * self._cluster_bytes
            part = self._source.read_at(at, min(length, self._cluster_bytes))
            parts.append(part)
            if len(part) < min(length, self._cluster_bytes):
                break
            length -= len(part)
            if length > 0:
                cluster = self._next(cluster)
        return b"".join(parts)

    def _next(self, cluster: int) -> int:
        at = self._fat_offset + cluster * self._bits // 8
        value = int.from_bytes(self._source.read_at(at, 2 if self._bits < 32 else 4), "little")
        if self._bits == 12:
            return value >> 4 if cluster & 1 else value & 0xFFF
        return value & 0x0FFFFFFF


def _entries(table: bytes) -> Iterator[FatEntry]:
    """Yield the entries of a directory, with long names joined from the slots before them."""
    long_name = ""
    for at in range(0, len(table) - 31, 32):
        row = table[at : at + 32]
        if row[0] == 0:
            return
        attributes = row[11]
        if row[0] == 0xE5:
            long_name = ""
        elif attributes & 0x3F == _ATTR_LONG_NAME:
            part = (row[1:11] + row[14:26] + row[28:32]).decode("utf-16-le", errors="replace")
            long_name = part.split("\0")[0] + ("" if row[0] & 0x40 else long_name)
        elif attributes & _ATTR_VOLUME_ID:
            long_name = ""
        else:
            high, low, size = struct.unpack("<H4xHI", row[20:32])
            name = long_name or _short_name(row)
            long_name = ""
            if name not in (".", ".."):
                is_folder = bool(attributes & _ATTR_DIRECTORY)
                yield FatEntry(name, is_folder, high << 16 | low, size)


def _short_name(row: bytes) -> str:
    stem = row[:8].decode("cp437").rstrip()
    suffix = row[8:11].decode("cp437").rstrip()
    return f"{stem}.{suffix}" if suffix else stem

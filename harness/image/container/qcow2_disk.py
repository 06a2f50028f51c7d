"""The virtual disk in a qcow2: guest bytes at any offset.

After QEMU's docs/interop/qcow2.rst, "Cluster mapping" and following. Only for files whose header
passed the checks: no backing file, no external data file, no encryption.
"""

from __future__ import annotations

import sys
import zlib
from functools import lru_cache

from harness.image.container.qcow2 import Qcow2Facts
from harness.image.source import ImageSource

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_OFFSET_MASK = 0x00FFFFFFFFFFFE00
_COMPRESSED = 1 << 62
_ALL_ZEROS = 1
_ZSTD = 1
_SUBCLUSTERS = 32


class Qcow2Disk:
    """The virtual disk as a source. Unreadable clusters read as zeros, like a bad sector."""

    def __init__(self, source: ImageSource, facts: Qcow2Facts) -> None:
        self.location = source.location
        self.size_bytes = facts.virtual_size_bytes
        self._source = source
        self._facts = facts
        self._cluster_bytes = 1 << facts.cluster_bits
        self._entry_bytes = 16 if facts.has("extended L2 entries") else 8
        self._l2_entries = self._cluster_bytes // self._entry_bytes
        self._l1_entry = lru_cache(maxsize=64)(self._read_l1_entry)
        self._decompressed = lru_cache(maxsize=8)(self._decompress)

    @property
    def bytes_read(self) -> int:
        """The bytes read from the qcow2 file."""
        return self._source.bytes_read

    def read_at(self, offset: int, length: int) -> bytes:
        """Return ``length`` bytes from ``offset``; fewer, or none, only at the end of the disk."""
        length = min(length, self.size_bytes - offset)
        parts = []
        while length > 0:
            index, within = divmod(offset, self._cluster_bytes)
            count = min(length, self._cluster_bytes - within)
            parts.append(self._read_cluster(index, within, count).ljust(count, b"\0"))
            offset += count
            length -= count
        return b"".join(parts)

    def _read_cluster(self, index: int, within: int, count: int) -> bytes:
        """Return ``count`` bytes of one guest cluster; fewer where the rest is zeros."""
        l1_index, l2_index = divmod(index, self._l2_entries)
        l2_offset = self._l1_entry(l1_index)
        if not l2_offset:
            return b""
        at = l2_offset + l2_index * self._entry_bytes
        row = self._source.read_at(at, self._entry_bytes).ljust(self._entry_bytes, b"\0")
        entry = int.from_bytes(row[:8], "big")
        if entry & _COMPRESSED:
            return self._decompressed(entry)[within : within + count]
        offset = entry & _OFFSET_MASK
        if not offset or (self._entry_bytes == 8 and entry & _ALL_ZEROS):
            return b""
        if self._entry_bytes == 16:
            return self._read_subclusters(offset, int.from_bytes(row[8:], "big"), within, count)
        return self._source.read_at(offset + within, count)

    def _read_subclusters(self, offset: int, bitmap: int, within: int, count: int) -> bytes:
        """Return bytes of a cluster; bit x of ``bitmap`` allocates subcluster x.

        ("Extended L2 Entries".)
        """
        size = self._cluster_bytes // _SUBCLUSTERS
        parts = []
        while count > 0:
            index, start = divmod(within, size)
            length = min(count, size - start)
            data = self._source.read_at(offset + within, length) if bitmap >> index & 1 else b""
            parts.append(data.ljust(length, b"\0"))
            within += length
            count -= length
        return b"".join(parts)

    def _read_l1_entry(self, index: int) -> int:
        if index >= self._facts.l1_entries:
            return 0
        row = self._source.read_at(self._facts.l1_offset + 8 * index, 8)
        return int.from_bytes(row.ljust(8, b"\0"), "big") & _OFFSET_MASK

    def _decompress(self, entry: int) -> bytes:
        """Decompress a cluster ("Compressed Clusters Descriptor"): raw deflate, or zstd."""
        bits = 62 - (self._facts.cluster_bits - 8)
        offset = entry & ((1 << bits) - 1)
        sectors = entry >> bits & ((1 << (62 - bits)) - 1)
        packed = self._source.read_at(offset, (sectors + 1) * 512 - (offset & 511))
        try:
            if self._facts.compression_type == _ZSTD:
                return zstd.ZstdDecompressor().decompress(packed, self._cluster_bytes)
            return zlib.decompressobj(wbits=-15).decompress(packed, self._cluster_bytes)
        except (zlib.error, zstd.ZstdError):
            return b""

"""The checksums of an ext4 filesystem; with a wrong one Linux does not mount it.

After Linux Documentation/filesystems/ext4: "Super Block", "Group Descriptors", "Checksums".
"""

from __future__ import annotations

import struct

from harness.image.source import ImageSource

_SUPERBLOCK_AT, _SUPERBLOCK_BYTES = 1024, 1024
_CHECKSUM_AT = 0x3FC
_RO_COMPAT_METADATA_CSUM = 0x400
_INCOMPAT_64BIT, _INCOMPAT_CSUM_SEED = 0x80, 0x2000
_DESCRIPTOR_CHECKSUM_AT = 0x1E
_MAX_GROUPS = 64
# CRC-32C (Castagnoli), bits reversed (RFC 3720, appendix B.4).
_POLYNOMIAL = 0x82F63B78


def ext_damage(source: ImageSource) -> str:
    """The damaged part by the first wrong checksum; "" where all are right or there are none.

    The superblock and the first group descriptors are checked.
    """
    block = source.read_at(_SUPERBLOCK_AT, _SUPERBLOCK_BYTES)
    if len(block) < _SUPERBLOCK_BYTES or block[56:58] != b"\x53\xef":
        return ""
    (incompatible, read_only) = struct.unpack_from("<II", block, 0x60)
    if not read_only & _RO_COMPAT_METADATA_CSUM:
        return ""
    (expected,) = struct.unpack_from("<I", block, _CHECKSUM_AT)
    if crc32c(block[:_CHECKSUM_AT]) != expected:
        return "the checksum of its superblock is wrong"
    if incompatible & _INCOMPAT_CSUM_SEED:
        (seed,) = struct.unpack_from("<I", block, 0x270)
    else:
        seed = crc32c(block[0x68:0x78])
    return _descriptor_damage(source, block, seed, wide=bool(incompatible & _INCOMPAT_64BIT))


def _descriptor_damage(source: ImageSource, block: bytes, seed: int, *, wide: bool) -> str:
    (blocks,) = struct.unpack_from("<I", block, 0x04)
    (first, log_size) = struct.unpack_from("<II", block, 0x14)
    (per_group,) = struct.unpack_from("<I", block, 0x20)
    (size,) = struct.unpack_from("<H", block, 0xFE) if wide else (32,)
    if log_size > 6 or not per_group or size < 32 or size > 1024:
        return "its superblock makes no sense"
    table_at = (first + 1) * (1024 << log_size)
    groups = min(-(-blocks // per_group), _MAX_GROUPS)
    table = source.read_at(table_at, groups * size)
    for number in range(len(table) // size):
        row = bytearray(table[number * size : (number + 1) * size])
        (expected,) = struct.unpack_from("<H", row, _DESCRIPTOR_CHECKSUM_AT)
        struct.pack_into("<H", row, _DESCRIPTOR_CHECKSUM_AT, 0)
        if crc32c(bytes(row), crc32c(struct.pack("<I", number), seed)) & 0xFFFF != expected:
            return f"the checksum of its group descriptor {number} is wrong"
    return ""


def crc32c(data: bytes, crc: int = 0xFFFFFFFF) -> int:
    """The CRC-32C of ``data`` as in ext4: initialised with all ones, not inverted at the end."""
    for byte in data:
        crc = (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc


def _table_row(index: int) -> int:
    for _ in range(8):
        index = (index >> 1) ^ (_POLYNOMIAL if index & 1 else 0)
    return index


_TABLE = tuple(_table_row(index) for index in range(256))

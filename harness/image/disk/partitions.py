"""Partition tables: MBR with its logical partitions, and GPT. Nothing here raises.

MBR: UEFI Specification 2.10, 5.2.1; GPT: 5.3. All numbers are little-endian.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.image.source import ImageSource

SECTOR_BYTES = 512
_ENTRY = struct.Struct("<B3xB3xII")
_EXTENDED = frozenset({0x05, 0x0F, 0x85})
_MAX_LOGICAL = 64
_MAX_GPT_ENTRIES = 256


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition. ``type`` is two hex digits in an MBR, a GUID in a GPT (lower case)."""

    number: int
    start_bytes: int
    size_bytes: int
    type: str
    active: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class PartitionTable:
    """A partition table of the ``kind`` that firmware and kernels read: GPT before MBR.

    ``boot_code`` tells whether the first 440 bytes of the MBR are not all zero.
    """

    kind: Literal["none", "mbr", "gpt"]
    partitions: tuple[Partition, ...]
    boot_code: bool


def read_partitions(source: ImageSource) -> PartitionTable:
    """Read the partition table at the start of ``source``; empty without a valid one."""
    head = source.read_at(0, 2 * SECTOR_BYTES)
    if len(head) < SECTOR_BYTES or head[510:512] != b"\x55\xaa":
        return PartitionTable("none", (), boot_code=False)
    boot_code = any(head[:440])
    gpt = tuple(_gpt_partitions(source, head[SECTOR_BYTES:]))
    if gpt:
        return PartitionTable("gpt", gpt, boot_code)
    mbr = tuple(_mbr_partitions(source, head))
    return PartitionTable("mbr" if mbr else "none", mbr, boot_code)


def _mbr_partitions(source: ImageSource, sector: bytes) -> Iterator[Partition]:
    rows = [_ENTRY.unpack_from(sector, 446 + 16 * index) for index in range(4)]
    if any(status & 0x7F for status, *_ in rows):
        # The boot sector of a filesystem: its code is in place of the partition table.
        return
    for number, (status, kind, start, sectors) in enumerate(rows, 1):
        if kind in _EXTENDED and sectors:
            yield from _logical_partitions(source, start)
        elif kind and sectors:
            yield _partition(number, start, sectors, kind, active=status == 0x80)


def _logical_partitions(source: ImageSource, extended_start: int) -> Iterator[Partition]:
    """Yield the chain of an extended partition: each table has one partition and the next table."""
    table = extended_start
    for number in range(5, 5 + _MAX_LOGICAL):
        sector = source.read_at(table * SECTOR_BYTES, SECTOR_BYTES)
        if len(sector) < SECTOR_BYTES or sector[510:512] != b"\x55\xaa":
            return
        _, kind, start, sectors = _ENTRY.unpack_from(sector, 446)
        if kind and sectors:
            yield _partition(number, table + start, sectors, kind, active=False)
        _, kind, start, _ = _ENTRY.unpack_from(sector, 462)
        if kind not in _EXTENDED or start == 0:
            return
        table = extended_start + start


def _partition(number: int, start: int, sectors: int, kind: int, *, active: bool) -> Partition:
    return Partition(
        number, start * SECTOR_BYTES, sectors * SECTOR_BYTES, f"{kind:02x}", active=active
    )


def _gpt_partitions(source: ImageSource, header: bytes) -> Iterator[Partition]:
    if len(header) < 92 or not header.startswith(b"EFI PART"):
        return
    table_lba, count, entry_bytes = struct.unpack_from("<QII", header, 72)
    if not 128 <= entry_bytes <= 4096 or table_lba >= 1 << 50:
        return
    count = min(count, _MAX_GPT_ENTRIES)
    table = source.read_at(table_lba * SECTOR_BYTES, count * entry_bytes)
    for index in range(len(table) // entry_bytes):
        entry = table[index * entry_bytes : (index + 1) * entry_bytes]
        if not any(entry[:16]):
            continue
        first, last = struct.unpack_from("<QQ", entry, 32)
        if last < first or last >= 1 << 50:
            continue
        yield Partition(
            number=index + 1,
            start_bytes=first * SECTOR_BYTES,
            size_bytes=(last - first + 1) * SECTOR_BYTES,
            type=str(uuid.UUID(bytes_le=entry[:16])),
            active=bool(entry[48] & 4),
            name=entry[56:128].decode("utf-16-le", errors="replace").split("\0")[0],
        )

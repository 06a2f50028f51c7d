"""El Torito, the boot catalog of an ISO (Phoenix and IBM, "El Torito" 1.0, 1995).

The entries of the catalog, and whether their boot images exist. The entry for a BIOS is that of
SeaBIOS (src/cdrom.c, cdrom_boot): the boot record in sector 17, the first entry of the catalog,
bootable, for platform 0. Only UEFI reads further sections (UEFI Specification 2.10, 13.3.2.1).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Literal

from harness.image.iso.iso9660 import SECTOR_BYTES, VolumeDescriptor
from harness.image.source import ImageSource

_BOOT_RECORD_SECTOR = 17
_SYSTEM_ID = b"EL TORITO SPECIFICATION"
_BOOTABLE = 0x88
_HEADER, _LAST_HEADER = 0x90, 0x91
_MAX_ENTRIES = 64
_CATALOG_BYTES = 32 * (_MAX_ENTRIES + 2)

Platform = Literal["bios", "efi", "other"]
_PLATFORMS: dict[int, Platform] = {0x00: "bios", 0xEF: "efi"}


@dataclass(frozen=True, slots=True)
class BootEntry:
    """A bootable entry. ``offset`` and ``size_bytes`` are those of its boot image in the ISO.

    ``initial`` marks the first entry of the catalog, which a BIOS starts. ``target`` is the state
    of the boot image: ``present``, ``blank`` (zeros), or ``beyond`` the end of the file.
    """

    platform: Platform
    initial: bool
    offset: int
    size_bytes: int
    target: Literal["present", "blank", "beyond"]


@dataclass(frozen=True, slots=True)
class BootCatalog:
    """The boot catalog. ``faults`` are byte offsets, each with the fault there."""

    offset: int
    entries: tuple[BootEntry, ...]
    faults: tuple[tuple[int, str], ...]


def read_boot_catalog(
    source: ImageSource, descriptors: list[VolumeDescriptor]
) -> BootCatalog | None:
    """Read the boot catalog of an ISO with these descriptors; None without a boot record."""
    record = next((row for row in descriptors if row.type == 0 and _is_el_torito(row)), None)
    if record is None:
        return None
    offset = int.from_bytes(record.content[71:75], "little") * SECTOR_BYTES
    faults = []
    if record.sector != _BOOT_RECORD_SECTOR:
        at = record.sector * SECTOR_BYTES
        faults.append((at, f"the boot record is in sector {record.sector}, a BIOS reads 17"))
    catalog = source.read_at(offset, _CATALOG_BYTES)
    if len(catalog) < 64:
        faults.append((record.sector * SECTOR_BYTES + 71, f"the boot catalog at {offset} is cut"))
        return BootCatalog(offset, (), tuple(faults))
    if catalog[0] != 1 or catalog[30:32] != b"\x55\xaa":
        faults.append((offset, "the boot catalog has no validation entry"))
        return BootCatalog(offset, (), tuple(faults))
    words = struct.unpack_from("<16H", catalog)
    if sum(words) & 0xFFFF:
        faults.append((offset + 28, "the checksum of the boot catalog is wrong"))
    return BootCatalog(offset, tuple(_entries(source, catalog)), tuple(faults))


def _is_el_torito(record: VolumeDescriptor) -> bool:
    return record.content[7:39].startswith(_SYSTEM_ID)


def _entries(source: ImageSource, catalog: bytes) -> list[BootEntry]:
    """The initial entry (2.2), followed by those of the sections (2.3, 2.4)."""
    found = []
    platform = catalog[1]
    if catalog[32] == _BOOTABLE:
        found.append(_entry(source, catalog[32:64], platform, initial=True))
    at, left = 64, 0
    while at + 32 <= len(catalog):
        row = catalog[at : at + 32]
        at += 32
        if left == 0:
            if row[0] not in (_HEADER, _LAST_HEADER):
                break
            platform = row[1]
            left = int.from_bytes(row[2:4], "little")
            if left == 0 and row[0] == _LAST_HEADER:
                break
        else:
            left -= 1
            if row[0] == _BOOTABLE:
                found.append(_entry(source, row, platform, initial=False))
    return found


def _entry(source: ImageSource, row: bytes, platform: int, *, initial: bool) -> BootEntry:
    sectors, block = struct.unpack_from("<HI", row, 6)
    offset = block * SECTOR_BYTES
    sample = source.read_at(offset, SECTOR_BYTES)
    target: Literal["present", "blank", "beyond"]
    target = "beyond" if len(sample) < 512 else "present" if any(sample) else "blank"
    kind = _PLATFORMS.get(platform, "other")
    # The count is in sectors of 512 bytes, not of those of the ISO (2.2, offset 6).
    return BootEntry(kind, initial, offset, sectors * 512, target)

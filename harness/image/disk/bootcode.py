"""The boot path of a BIOS on a disk: the code in its first sector, and the code that it loads.

SeaBIOS reads the first sector and jumps to it if it ends in 55 AA, whatever it contains (SeaBIOS
src/boot.c, boot_disk). Each boot loader is identified by a text in its boot sector.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.image.disk.grub_core import GrubCore, read_grub_core
from harness.image.disk.partitions import PartitionTable
from harness.image.source import ImageSource

Loader = Literal["none", "grub", "syslinux", "windows", "generic", "unknown"]
_SECTOR_BYTES = 512

# Texts of boot sectors. "generic" code starts the boot sector of the active partition.
_TEXTS: tuple[tuple[bytes, Loader], ...] = (
    (b"GRUB ", "grub"),
    (b"Geom\0Hard Disk\0Read", "grub"),
    (b"SYSLINUX", "syslinux"),
    (b"EXTLINUX", "syslinux"),
    (b"isolinux.bin missing", "syslinux"),
    (b"BOOTMGR", "windows"),
    (b"NTLDR", "windows"),
    (b"Invalid partition table", "generic"),
    (b"Missing operating system", "generic"),
    (b"Operating system load error", "generic"),
    (b"No active partition", "generic"),
    (b"MBR ", "generic"),
)
_GRUB_KERNEL_SECTOR_AT = 0x5C  # GRUB include/grub/i386/pc/boot.h: GRUB_BOOT_MACHINE_KERNEL_SECTOR


@dataclass(frozen=True, slots=True)
class BiosPath:
    """The boot path of a BIOS. ``starts`` is None for the code of an unknown boot loader.

    ``grub`` is the core image of GRUB where the boot code loads it.
    """

    loader: Loader
    starts: bool | None
    evidence: str
    grub: GrubCore | None = None


def read_bios_path(source: ImageSource, table: PartitionTable) -> BiosPath:
    """Follow the boot path from the first sector."""
    sector = source.read_at(0, _SECTOR_BYTES)
    if len(sector) < _SECTOR_BYTES or sector[510:512] != b"\x55\xaa":
        return BiosPath("none", False, "sector 0 does not end in 55 AA")
    if not any(sector[:440]):
        return BiosPath("none", False, "sector 0 holds no code")
    loader = _loader_of(sector)
    if loader == "grub":
        return _grub(source, sector)
    if loader == "generic":
        return _active_partition(source, table)
    if loader == "unknown":
        if _is_no_boot_disk_notice(sector):
            return BiosPath("none", False, "sector 0 only says that it is no boot disk")
        return BiosPath("unknown", None, "sector 0 holds code of an unknown boot loader")
    return BiosPath(loader, True, f"sector 0 holds {loader}'s code")


def _loader_of(sector: bytes) -> Loader:
    return next((loader for text, loader in _TEXTS if text in sector), "unknown")


def _is_no_boot_disk_notice(sector: bytes) -> bool:
    """Tell whether the code is that of mkfs.fat and mkntfs, which only prints a message."""
    return b"This is not a bootable disk" in sector


def _grub(source: ImageSource, sector: bytes) -> BiosPath:
    """The boot path of GRUB: boot.img holds the sector number of the core image."""
    at = _GRUB_KERNEL_SECTOR_AT
    core = int.from_bytes(sector[at : at + 8], "little")
    content = source.read_at(core * _SECTOR_BYTES, _SECTOR_BYTES) if 0 < core < 1 << 40 else b""
    if not any(content):
        return BiosPath("grub", False, f"GRUB's boot code loads sector {core}, which is empty")
    evidence = f"GRUB's boot code in sector 0, its core in sector {core}"
    return BiosPath("grub", True, evidence, read_grub_core(source, core))


def _active_partition(source: ImageSource, table: PartitionTable) -> BiosPath:
    active = [part for part in table.partitions if part.active]
    if not active:
        return BiosPath("generic", False, "generic boot code, and no partition is active")
    first = source.read_at(active[0].start_bytes, _SECTOR_BYTES)
    where = f"partition {active[0].number}"
    if len(first) < _SECTOR_BYTES or first[510:512] != b"\x55\xaa" or not any(first[90:440]):
        return BiosPath("generic", False, f"generic boot code, and {where} has none")
    loader = _loader_of(first)
    if loader == "unknown" and _is_no_boot_disk_notice(first):
        return BiosPath("generic", False, f"{where} only says that it is no boot disk")
    starts = None if loader == "unknown" else True
    return BiosPath(loader, starts, f"generic boot code, and {loader}'s in {where}")

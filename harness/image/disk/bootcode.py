"""What a BIOS would run from a disk: the code in its first sector, and where that leads.

SeaBIOS reads the first sector and jumps to it if it ends in 55 AA, whatever is in it (SeaBIOS
src/boot.c, boot_disk). Each loader is known by the text that its own sources put there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from harness.image.disk.grub_core import GrubCore, read_grub_core
from harness.image.disk.partitions import PartitionTable
from harness.image.source import ImageSource

Loader = Literal["none", "grub", "syslinux", "windows", "generic", "unknown"]
_SECTOR_BYTES = 512

# Texts of boot sectors. "generic" code starts the active partition's own sector.
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
    """Where a BIOS gets to: ``starts`` is None where the code is of nobody that is known here.

    ``grub`` is GRUB's core where that is what is started.
    """

    loader: Loader
    starts: bool | None
    evidence: str
    grub: GrubCore | None = None


def read_bios_path(source: ImageSource, table: PartitionTable) -> BiosPath:
    """What the first sector leads to."""
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
        if _only_prints_that_it_is_no_boot_disk(sector):
            return BiosPath("none", False, "sector 0 only says that it is no boot disk")
        return BiosPath("unknown", None, "sector 0 holds code of an unknown boot loader")
    return BiosPath(loader, True, f"sector 0 holds {loader}'s code")


def _loader_of(sector: bytes) -> Loader:
    return next((loader for text, loader in _TEXTS if text in sector), "unknown")


def _only_prints_that_it_is_no_boot_disk(sector: bytes) -> bool:
    """What mkfs.fat and mkntfs write."""
    return b"This is not a bootable disk" in sector


def _grub(source: ImageSource, sector: bytes) -> BiosPath:
    """GRUB's boot.img loads its core image from a sector whose number it holds."""
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
    if loader == "unknown" and _only_prints_that_it_is_no_boot_disk(first):
        return BiosPath("generic", False, f"{where} only says that it is no boot disk")
    starts = None if loader == "unknown" else True
    return BiosPath(loader, starts, f"generic boot code, and {loader}'s in {where}")

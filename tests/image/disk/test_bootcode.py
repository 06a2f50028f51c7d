"""The boot path of a BIOS by the code in the sectors of a disk."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from harness.image.disk.bootcode import BiosPath, read_bios_path
from harness.image.disk.partitions import read_partitions
from harness.image.source import Memory
from tests.image.grub_cores import core

_SECTOR_BYTES = 512
_START = 8


def sector(text: bytes, *, signed: bool = True) -> bytes:
    """Boot code that holds ``text``."""
    code = (b"\xeb\x58\x90" + bytes(100) + text).ljust(440, b"\0")
    return code.ljust(510, b"\0") + (b"\x55\xaa" if signed else b"\0\0")


def path_of(first: bytes, rest: bytes = b"") -> BiosPath:
    disk = Memory((first + rest).ljust(64 * _SECTOR_BYTES, b"\0"))
    return read_bios_path(disk, read_partitions(disk))


def partitioned(code: bytes, first_of_partition: bytes, *, active: bool) -> BiosPath:
    """The boot path of a disk with one partition (MBR; its type is Linux)."""
    head = bytearray(code)
    struct.pack_into("<B3xB3xII", head, 446, 0x80 if active else 0, 0x83, _START, 32)
    return path_of(bytes(head).ljust(_START * _SECTOR_BYTES, b"\0"), first_of_partition)


@pytest.mark.parametrize(
    ("text", "loader", "starts"),
    [
        (b"SYSLINUX", "syslinux", True),
        (b"isolinux.bin missing", "syslinux", True),
        (b"BOOTMGR is missing", "windows", True),
        (b"something else", "unknown", None),
        (b"This is not a bootable disk. Please", "none", False),
    ],
)
def test_a_loader_is_identified_by_its_text(text: bytes, loader: str, starts: bool | None) -> None:
    found = path_of(sector(text))
    assert (found.loader, found.starts) == (loader, starts)


@pytest.mark.parametrize(
    ("first", "evidence"),
    [
        (b"", "does not end in 55 AA"),
        (sector(b"SYSLINUX", signed=False), "does not end in 55 AA"),
        (bytes(510) + b"\x55\xaa", "holds no code"),
    ],
)
def test_a_sector_without_code_starts_nothing(first: bytes, evidence: str) -> None:
    found = path_of(first)
    assert (found.loader, found.starts) == ("none", False)
    assert evidence in found.evidence


def grub(core_sector: int) -> bytes:
    code = bytearray(sector(b"GRUB Geom"))
    struct.pack_into("<Q", code, 0x5C, core_sector)
    return bytes(code)


def test_the_grub_core_is_found_by_the_sector_in_the_boot_code(tmp_path: Path) -> None:
    image = core(tmp_path, "biosdisk", prefix="(,msdos1)/grub2")
    disk = Memory(grub(1) + image)
    found = read_bios_path(disk, read_partitions(disk))
    assert (found.loader, found.starts) == ("grub", True)
    assert found.grub
    assert found.grub.folder == "/grub2"


@pytest.mark.parametrize("core_sector", [5, 0, 1 << 30, 1 << 63])
def test_a_missing_grub_core_does_not_start(core_sector: int) -> None:
    found = path_of(grub(core_sector))
    assert (found.loader, found.starts, found.grub) == ("grub", False, None)
    assert f"sector {core_sector}, which is empty" in found.evidence


GENERIC = sector(b"Missing operating system")


@pytest.mark.parametrize(
    ("first", "active", "loader", "starts", "evidence"),
    [
        (sector(b"EXTLINUX"), True, "syslinux", True, "syslinux's in partition 1"),
        (sector(b"EXTLINUX"), False, "generic", False, "no partition is active"),
        (b"", True, "generic", False, "partition 1 has none"),
        (sector(b"who knows"), True, "unknown", None, "unknown's in partition 1"),
        (sector(b"This is not a bootable disk"), True, "generic", False, "it is no boot disk"),
    ],
)
def test_generic_code_starts_the_active_partition(
    first: bytes, active: bool, loader: str, starts: bool | None, evidence: str
) -> None:
    found = partitioned(GENERIC, first, active=active)
    assert (found.loader, found.starts) == (loader, starts)
    assert evidence in found.evidence


def test_the_message_of_mkfs_is_no_boot_code(tmp_path: Path) -> None:
    image = tmp_path / "fat"
    with image.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["mkfs.fat", image], check=True, capture_output=True)
    disk = Memory(image.read_bytes())
    assert read_bios_path(disk, read_partitions(disk)).starts is False

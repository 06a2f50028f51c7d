import json
import struct
import subprocess
from pathlib import Path

import pytest

from images.disk import (
    BOOT_LBA,
    EFI_X86_64,
    ESP_MIB,
    ROOT_LBA,
    build_esp,
    partition_table,
    place_boot_sector,
    place_core,
    write_grub,
)
from images.recipe import Firmware


def test_the_boot_sector_is_told_where_the_core_is() -> None:
    boot = bytearray(Path("/usr/lib/grub/i386-pc/boot.img").read_bytes())
    place_boot_sector(boot, 2048)
    assert struct.unpack_from("<Q", boot, 0x5C) == (2048,)
    assert boot[0x66:0x68] == b"\x90\x90"
    assert boot[510:] == b"\x55\xaa"


def test_the_cores_first_sector_is_told_where_the_others_are() -> None:
    placed = place_core(b"\x01" * 1300, 2048)
    assert len(placed) == 3 * 512
    assert struct.unpack_from("<QH", placed, 512 - 12) == (2049, 2)


def test_a_disk_that_other_tools_read_the_same_way(tmp_path: Path) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate(17 << 20)
    table = partition_table(12, 4 << 20)
    subprocess.run(["sfdisk", "--quiet", disk], input=table, text=True, check=True)
    write_grub(disk, b"\x01" * 4000)
    said = subprocess.run(
        ["sfdisk", "--json", disk], capture_output=True, text=True, check=True
    ).stdout
    rows = json.loads(said)["partitiontable"]["partitions"]
    end_lba = 12 * 2048
    assert [(row["start"], row["size"]) for row in rows] == [
        (BOOT_LBA, ROOT_LBA - BOOT_LBA),
        (ROOT_LBA, end_lba - ROOT_LBA),
        (end_lba, 8192),
    ]
    head = disk.read_bytes()[: (BOOT_LBA + 1) * 512]
    assert head[510:512] == b"\x55\xaa"
    assert head[450] == 0xEE, "the protective partition is still there"
    assert head[BOOT_LBA * 512 : BOOT_LBA * 512 + 4] == b"\x01\x01\x01\x01"


@pytest.mark.parametrize(
    ("firmware", "names"),
    [
        ("bios", ["bios", "root", "data"]),
        ("uefi", ["root", "esp", "data"]),
        ("both", ["bios", "root", "esp", "data"]),
    ],
)
def test_the_root_stays_where_it_is_whatever_starts_the_disk(
    firmware: Firmware, names: list[str], tmp_path: Path
) -> None:
    disk = tmp_path / "disk.raw"
    with disk.open("wb") as file:
        file.truncate((12 + ESP_MIB + 4 + 1) << 20)
    table = partition_table(12, 4 << 20, firmware)
    subprocess.run(["sfdisk", "--quiet", disk], input=table, text=True, check=True)
    said = subprocess.run(
        ["sfdisk", "--json", disk], capture_output=True, text=True, check=True
    ).stdout
    rows = {row["name"]: row for row in json.loads(said)["partitiontable"]["partitions"]}
    assert list(rows) == names
    assert rows["root"]["start"] == ROOT_LBA
    data_mib = 12 if firmware == "bios" else 12 + ESP_MIB
    assert rows["data"]["start"] == data_mib * 2048


def test_a_system_partition_that_other_tools_read_the_same_way(tmp_path: Path) -> None:
    volume = build_esp("0d4f2d1c-8b6e-4f0e-9a57-7e11e7e11e77", tmp_path)
    assert volume.stat().st_size == ESP_MIB << 20
    subprocess.run(["fsck.vfat", "-n", volume], check=True, capture_output=True)
    loader = subprocess.run(
        ["mtype", "-i", volume, f"::{EFI_X86_64.loader}"], capture_output=True, check=True
    ).stdout
    assert loader == (tmp_path / "grubx64.efi").read_bytes()
    assert b"0d4f2d1c-8b6e-4f0e-9a57-7e11e7e11e77" in loader

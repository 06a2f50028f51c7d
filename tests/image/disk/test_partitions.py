"""Partition tables written by sfdisk."""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.image.disk.partitions import PartitionTable, read_partitions
from harness.image.source import LocalFile, Memory

_MIB = 1 << 20


def table_of(path: Path, script: str) -> PartitionTable:
    with path.open("wb") as file:
        file.truncate(64 * _MIB)
    subprocess.run(["sfdisk", "-q", path], input=script, text=True, check=True)
    with LocalFile(path) as source:
        return read_partitions(source)


def test_a_gpt_is_read(tmp_path: Path) -> None:
    table = table_of(
        tmp_path / "disk", "label: gpt\nstart=2048,size=8192,type=uefi,name=esp\ntype=linux\n"
    )
    assert (table.kind, table.boot_code) == ("gpt", False)
    first, second = table.partitions
    assert (first.start_bytes, first.size_bytes, first.name) == (_MIB, 4 * _MIB, "esp")
    assert first.type == "c12a7328-f81f-11d2-ba4b-00a0c93ec93b"
    assert second.number == 2


def test_an_mbr_with_logical_partitions_is_read(tmp_path: Path) -> None:
    rows = (
        "size=8M, type=83, bootable",
        "size=40M, type=5",
        "size=8M, type=83",
        "size=8M, type=82",
    )
    script = "label: dos\n" + "".join(
        f"{number}: {row}\n" for number, row in zip((1, 2, 5, 6), rows, strict=True)
    )
    table = table_of(tmp_path / "disk", script)
    assert table.kind == "mbr"
    assert [(part.number, part.type, part.active) for part in table.partitions] == [
        (1, "83", True),
        (5, "83", False),
        (6, "82", False),
    ]


def test_the_boot_sector_of_a_filesystem_is_no_table(tmp_path: Path) -> None:
    image = tmp_path / "fat.img"
    subprocess.run(["mkfs.vfat", "-C", image, "1440"], check=True, capture_output=True)
    with LocalFile(image) as source:
        assert read_partitions(source).kind == "none"


def test_a_circular_chain_of_logical_partitions_ends() -> None:
    sector = bytearray(512)
    sector[510:512] = b"\x55\xaa"
    sector[446 + 4] = 5
    sector[446 + 8 : 446 + 16] = (1).to_bytes(4, "little") * 2
    loop = bytearray(512)
    loop[510:512] = b"\x55\xaa"
    loop[446 + 4] = 0x83
    loop[446 + 12] = 1
    loop[462 + 4] = 5
    loop[462 + 8] = 0
    loop[462 + 12] = 1
    assert len(read_partitions(Memory(bytes(sector + loop))).partitions) <= 64


def test_a_blank_disk_has_no_table() -> None:
    assert read_partitions(Memory(b"")).kind == "none"
    assert read_partitions(Memory(bytes(1024))).kind == "none"

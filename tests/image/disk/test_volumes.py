"""The volumes of a disk: type, UUID and label as the mkfs programs wrote them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.image.disk.partitions import read_partitions
from harness.image.disk.volumes import Volume, volumes
from harness.image.source import LocalFile

_UUID = "5f3b1a52-9d57-4f0e-8a3f-0d8d2f6f6f11"
_MIB = 1 << 20


def found_on(path: Path) -> list[Volume]:
    with LocalFile(path) as source:
        return list(volumes(source, read_partitions(source)))


def blank(path: Path, size_mib: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size_mib * _MIB)
    return path


@pytest.mark.parametrize(
    ("size_mib", "words", "identity"),
    [
        (8, ["mkfs.ext4", "-q", "-F", "-U", _UUID, "-L", "root"], ("ext4", _UUID, "root")),
        (320, ["mkfs.xfs", "-q", "-f", "-m", f"uuid={_UUID}", "-L", "x"], ("xfs", _UUID, "x")),
        (128, ["mkfs.btrfs", "-q", "-U", _UUID, "-L", "wide"], ("btrfs", _UUID, "wide")),
        (8, ["mkfs.fat", "-i", "1234abcd", "-n", "ESP"], ("vfat", "1234-ABCD", "ESP")),
        (64, ["mkfs.fat", "-F", "32", "-i", "1234abcd"], ("vfat", "1234-ABCD", "NO NAME")),
    ],
    ids=["ext4", "xfs", "btrfs", "fat16", "fat32"],
)
def test_a_disk_without_partitions_is_one_volume(
    tmp_path: Path, size_mib: int, words: list[str], identity: tuple[str, str, str]
) -> None:
    image = blank(tmp_path / "disk", size_mib)
    subprocess.run([*words, str(image)], check=True, capture_output=True)
    (volume,) = found_on(image)
    assert volume.name == "the disk"
    assert (volume.type, volume.uuid, volume.label) == identity


def test_each_partition_is_a_volume_in_its_place(tmp_path: Path) -> None:
    image = blank(tmp_path / "disk", 24)
    table = "label: gpt\nstart=2048, size=8192, type=U\nsize=16384\n"
    subprocess.run(["sfdisk", "-q", image], input=table, text=True, check=True)
    part = blank(tmp_path / "part", 8)
    subprocess.run(["mkfs.ext4", "-q", "-F", "-L", "root", part], check=True)
    with image.open("r+b") as file:
        file.seek((2048 + 8192) * 512)
        file.write(part.read_bytes())
    esp, root = found_on(image)
    assert (esp.name, esp.type) == ("partition 1", "zeros")
    assert (root.name, root.type, root.label) == ("partition 2", "ext4", "root")
    assert esp.partition_type != root.partition_type

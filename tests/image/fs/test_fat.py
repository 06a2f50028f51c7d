"""FAT12, FAT16 and FAT32 of mkfs.fat and mtools."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.image.fs.fat import FatVolume
from harness.image.source import LocalFile
from tests.image.isos import esp


@pytest.mark.parametrize(("fat", "size_kib"), [(12, 1440), (16, 16 << 10), (32, 64 << 10)])
def test_fat_of_every_width_is_read(tmp_path: Path, fat: int, size_kib: int) -> None:
    image = esp(tmp_path, "x86-64", size_kib=size_kib, fat=fat)
    long_file = tmp_path / "a rather long name for a file.conf"
    long_file.write_bytes(bytes(range(256)) * 300)
    subprocess.run(["mcopy", "-i", image, long_file, "::/EFI/"], check=True)
    with LocalFile(image) as source:
        volume = FatVolume.open(source)
        assert volume
        found = volume.find("efi/A RATHER LONG NAME FOR A FILE.CONF")
        assert found
        assert volume.read(found) == long_file.read_bytes()
        assert volume.find("EFI/BOOT/BOOTX64.EFI")
        assert volume.find("EFI/nothing") is None
        assert volume.find("EFI/BOOT/BOOTX64.EFI/x") is None

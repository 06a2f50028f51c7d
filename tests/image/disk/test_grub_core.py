"""Core images of grub-mkimage."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from harness.image.disk.grub_core import read_grub_core
from harness.image.source import Memory
from tests.image.grub_cores import PREFIX, core


@pytest.mark.parametrize("normal", [True, False])
def test_modules_and_prefix_are_read(tmp_path: Path, normal: bool) -> None:
    image = core(tmp_path, "biosdisk", "part_gpt", "ext2", *(["normal"] if normal else []))
    found = read_grub_core(Memory(image), 0)
    assert found
    assert {"biosdisk", "part_gpt", "ext2", "fshelp"} <= found.modules
    assert ("normal" in found.modules) is normal
    assert (found.prefix, found.folder) == (PREFIX, "/boot/grub")


def test_a_core_is_read_at_any_sector(tmp_path: Path) -> None:
    image = bytes(63 * 512) + core(tmp_path, "biosdisk", prefix="(,msdos1)/grub2")
    found = read_grub_core(Memory(image), 63)
    assert found
    assert found.folder == "/grub2"


def test_other_data_is_no_core(tmp_path: Path) -> None:
    image = core(tmp_path, "biosdisk")
    for content in (b"", bytes(1024), image[:600], image[: len(image) // 2], b"core" * 9000):
        assert read_grub_core(Memory(content), 0) is None


def test_a_damaged_core_raises_nothing(tmp_path: Path) -> None:
    image = core(tmp_path, "biosdisk", "normal")
    source = random.Random(20)
    for _ in range(200):
        damaged = bytearray(image)
        for _ in range(source.randrange(1, 20)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        read_grub_core(Memory(bytes(damaged)), 0)

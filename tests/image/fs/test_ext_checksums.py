"""The checksums of ext4, as mkfs.ext4 writes them, and damaged ones."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from harness.image.fs.ext_checksums import crc32c, ext_damage
from harness.image.source import Memory

_BLOCK_BYTES = 4096


@pytest.fixture(scope="module", params=["64bit", "^64bit", "metadata_csum_seed"])
def ext4(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The beginning of a filesystem of 300 MiB, which has three groups."""
    path = tmp_path_factory.mktemp("ext4") / "image"
    features = f"metadata_csum,{request.param}"
    subprocess.run(
        ["mkfs.ext4", "-q", "-F", "-b", str(_BLOCK_BYTES), "-O", features, path, "300M"], check=True
    )
    with path.open("rb") as file:
        return file.read(1 << 20)


def test_crc32c_matches_the_specification() -> None:
    # RFC 3720, B.4, gives those of 32 zeros and of 32 ones, which are inverted at the end.
    assert crc32c(bytes(32)) ^ 0xFFFFFFFF == 0x8A9136AA
    assert crc32c(b"\xff" * 32) ^ 0xFFFFFFFF == 0x62A8AB43


def test_a_sound_filesystem_has_no_damage(ext4: bytes) -> None:
    assert ext_damage(Memory(ext4)) == ""


@pytest.mark.parametrize("offset", [0x78, 0x100, 0x3FC])
def test_a_damaged_superblock_is_named(ext4: bytes, offset: int) -> None:
    damaged = bytearray(ext4)
    damaged[1024 + offset] ^= 1
    assert ext_damage(Memory(bytes(damaged))) == "the checksum of its superblock is wrong"


@pytest.mark.parametrize("group", [0, 2])
def test_a_damaged_group_descriptor_is_named(ext4: bytes, group: int) -> None:
    (incompatible,) = struct.unpack_from("<I", ext4, 1024 + 0x60)
    size = struct.unpack_from("<H", ext4, 1024 + 0xFE)[0] if incompatible & 0x80 else 32
    damaged = bytearray(ext4)
    damaged[_BLOCK_BYTES + group * size] ^= 1
    said = f"the checksum of its group descriptor {group} is wrong"
    assert ext_damage(Memory(bytes(damaged))) == said


def test_a_filesystem_without_checksums_has_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "image"
    words = ["mkfs.ext4", "-q", "-F", "-O", "^metadata_csum", path, "8M"]
    subprocess.run(words, check=True)
    content = bytearray(path.read_bytes()[: 1 << 20])
    content[1024 + 0x100] ^= 1
    assert ext_damage(Memory(bytes(content))) == ""


@pytest.mark.parametrize("content", [b"", bytes(4096), b"\x53\xef" * 2048])
def test_other_filesystems_have_no_ext4_damage(content: bytes) -> None:
    assert ext_damage(Memory(content)) in ("", "the checksum of its superblock is wrong")

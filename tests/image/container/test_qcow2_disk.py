"""The disk in a qcow2 of qemu-img, compared with the bytes that were written."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest

from harness.image.container.qcow2 import read_qcow2
from harness.image.container.qcow2_disk import Qcow2Disk
from harness.image.source import LocalFile

_CLUSTER = 65536


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with compressible, incompressible and empty stretches, and an odd size."""
    path = tmp_path_factory.mktemp("raw") / "disk.raw"
    noise = random.Random(1)
    with path.open("wb") as file:
        file.write(b"the first bytes of a disk. " * 5000)
        file.seek(3 * _CLUSTER + 512)
        file.write(noise.randbytes(3 * _CLUSTER))
        file.seek(70 * _CLUSTER + 100)
        file.write(b"x" * 4096)
        file.truncate(80 * _CLUSTER + 1536)
    return path


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-o", "compat=0.10"),
        ("-o", "cluster_size=512"),
        ("-o", "cluster_size=2M"),
        ("-o", "extended_l2=on"),
        ("-c",),
        ("-c", "-o", "compression_type=zstd"),
        ("-c", "-o", "cluster_size=4096"),
        ("-c", "-o", "extended_l2=on,cluster_size=128k"),
    ],
    ids=" ".join,
)
def test_the_disk_holds_the_bytes_that_were_written(
    raw: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", *options, raw, image], check=True)
    expected = raw.read_bytes()
    with LocalFile(image) as source:
        disk = Qcow2Disk(source, read_qcow2(source))
        assert disk.size_bytes == len(expected)
        assert disk.read_at(0, len(expected)) == expected
        for offset, length in ((0, 1), (_CLUSTER - 1, 2), (3 * _CLUSTER, 1000), (len(expected), 9)):
            assert disk.read_at(offset, length) == expected[offset : offset + length]
        assert len(disk.read_at(len(expected) - 5, 100)) == 5


def test_a_damaged_compressed_cluster_reads_as_zeros(tmp_path: Path) -> None:
    plain, image = tmp_path / "x.raw", tmp_path / "x.qcow2"
    plain.write_bytes(b"some text " * 40000)
    subprocess.run(["qemu-img", "convert", "-c", "-O", "qcow2", plain, image], check=True)
    with LocalFile(image) as source:
        disk = Qcow2Disk(source, read_qcow2(source))
        entry_at = disk._l1_entry(0)
        offset = int.from_bytes(source.read_at(entry_at, 8), "big") & ((1 << 54) - 1)
    with image.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 32)
    with LocalFile(image) as source:
        disk = Qcow2Disk(source, read_qcow2(source))
        assert disk.read_at(0, 16) == bytes(16)
        assert disk.read_at(_CLUSTER, 10) != bytes(10)

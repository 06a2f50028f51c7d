"""Initramfs made by cpio in every compression format of kernels."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.image.os.initramfs import InitramfsError, read_initramfs

_PACKERS = {
    "none": "cat",
    "gzip": "gzip -c",
    "xz": "xz --check=crc32 -c",
    "zstd": "zstd -q -c",
    "lz4": "lz4 -l -q -c",
    "lzma": "xz --format=lzma -c",
    "bzip2": "bzip2 -c",
}


def cpio(folder: Path, *paths: str, **texts: str) -> bytes:
    folder.mkdir()
    for path in paths:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(texts.get(file.stem, "x" * 3000))
    command = "find . -print | cpio --quiet -o -H newc"
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, check=True).stdout


def packed(content: bytes, packer: str) -> bytes:
    command = _PACKERS[packer]
    done = subprocess.run(command, shell=True, input=content, capture_output=True, check=True)
    return done.stdout


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    modules = "usr/lib/modules/6.1/kernel/drivers"
    return cpio(
        tmp_path / "tree",
        f"{modules}/scsi/virtio_scsi.ko.xz",
        "etc/modprobe.d/local.conf",
        local="blacklist virtio_scsi\n",
    )


@pytest.mark.parametrize("packer", _PACKERS)
def test_every_compression_format_is_read(archive: bytes, packer: str) -> None:
    found = read_initramfs(packed(archive, packer))
    assert "usr/lib/modules/6.1/kernel/drivers/scsi/virtio_scsi.ko.xz" in found.names
    assert found.files["etc/modprobe.d/local.conf"] == b"blacklist virtio_scsi\n"


@pytest.mark.parametrize("packer", [name for name in _PACKERS if name != "lz4"])
def test_concatenated_archives_are_read(tmp_path: Path, archive: bytes, packer: str) -> None:
    early = cpio(tmp_path / "early", "kernel/x86/microcode/GenuineIntel.bin")
    late = packed(cpio(tmp_path / "late", "late.txt"), packer)
    found = read_initramfs(early + bytes(512) + packed(archive, packer) + bytes(8) + late)
    assert "kernel/x86/microcode/GenuineIntel.bin" in found.names
    assert "late.txt" in found.names
    assert any("virtio_scsi" in name for name in found.names)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no archive"),
        (bytes(4096), "no archive"),
        (b"no archive at all", "unknown way"),
        (b"\x1f\x8b\x08\x00 broken", "cannot be unpacked"),
        (b"070701" + b"z" * 200, "no header"),
        (b"070701", "breaks off"),
    ],
)
def test_damage_raises_an_error_with_its_offset(content: bytes, said: str) -> None:
    with pytest.raises(InitramfsError, match=said):
        read_initramfs(content)


@pytest.mark.parametrize("packer", _PACKERS)
def test_a_truncated_archive_raises_an_error(archive: bytes, packer: str) -> None:
    whole = packed(archive, packer)
    with pytest.raises(InitramfsError):
        read_initramfs(whole[: len(whole) // 2])


def test_a_real_initramfs_is_read(tmp_path: Path) -> None:
    """lsinitramfs(8) and this agree on an initramfs of this host, where there is one."""
    real = sorted(Path("/boot").glob("initrd.img-*"))
    if not real:
        pytest.skip("this host has no initramfs in /boot")
    listed = subprocess.run(["lsinitramfs", real[0]], capture_output=True, text=True, check=True)
    names = {name.lstrip("./") or "." for name in listed.stdout.splitlines()}
    assert names - read_initramfs(real[0].read_bytes()).names <= {"."}

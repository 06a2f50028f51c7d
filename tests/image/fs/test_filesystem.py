"""Filesystems made by their own tools, without root, read through one interface."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.image.disk.partitions import read_partitions
from harness.image.disk.volumes import volumes
from harness.image.fs.filesystem import identify_filesystem
from harness.image.fs.tree import Tree
from harness.image.source import LocalFile, Memory

_MIB = 1 << 20
_CONTENT = bytes(range(256)) * 900
_UUID = "5f3b1a52-9d57-4f0e-8a3f-0d8d2f6f6f11"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/large").write_bytes(_CONTENT)
    (root / "etc/empty").write_bytes(b"")
    (root / "link").symlink_to("etc/large")
    (root / "away").symlink_to("/etc/../../../etc/large")
    (root / "folder").symlink_to("etc")
    (root / "loop").symlink_to("loop")
    return root


def blank(path: Path, size_mib: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size_mib * _MIB)
    return path


def run(*words: object, **more: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, **more)


def ext4(image: Path, folder: Path) -> None:
    run("mke2fs", "-q", "-t", "ext4", "-U", _UUID, "-L", "data", "-d", folder, blank(image, 32))


def ext2(image: Path, folder: Path) -> None:
    run("mke2fs", "-q", "-t", "ext2", "-U", _UUID, "-L", "data", "-d", folder, blank(image, 32))


def xfs(image: Path, folder: Path) -> None:
    rows = [
        "/dev/null",
        "0 0",
        "d--755 0 0",
        "etc d--755 0 0",
        f"large ---644 0 0 {folder}/etc/large",
        f"empty ---644 0 0 {folder}/etc/empty",
        "$",
        "link l--777 0 0 etc/large",
        "away l--777 0 0 /etc/../../../etc/large",
        "folder l--777 0 0 etc",
        "loop l--777 0 0 loop",
        "$",
    ]
    proto = image.with_suffix(".proto")
    proto.write_text("\n".join(rows) + "\n")
    run("mkfs.xfs", "-q", "-L", "data", "-m", f"uuid={_UUID}", "-p", proto, blank(image, 320))


def btrfs(image: Path, folder: Path) -> None:
    run("mkfs.btrfs", "-q", "-L", "data", "-U", _UUID, "--rootdir", folder, blank(image, 128))


_MAKERS: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "ext2": ("ext4", ext2),
    "ext4": ("ext4", ext4),
    "xfs": ("xfs", xfs),
    "btrfs": ("btrfs", btrfs),
}


@pytest.mark.parametrize("name", _MAKERS)
def test_files_and_links_are_read(tmp_path: Path, folder: Path, name: str) -> None:
    kind, make = _MAKERS[name]
    image = tmp_path / "volume"
    make(image, folder)
    with LocalFile(image) as source:
        filesystem = identify_filesystem(source)
        assert filesystem.name == kind
        assert filesystem.open
        root = filesystem.open(source)
        tree = Tree(root)
        assert set(tree.names("/")) >= {"etc", "link", "away", "folder", "loop"}
        for path in ("/etc/large", "/link", "/away", "/folder/large", "/../etc/./large"):
            assert tree.read(path) == _CONTENT, path
        assert tree.read("/etc/large", 100) == _CONTENT[:100]
        assert tree.read("/etc/empty") == b""
        for path in ("/loop", "/nothing", "/etc/large/x", "/etc"):
            assert tree.read(path) is None, path
        assert tree.match("/e*/l*") == ["/etc/large"]
        assert tree.real_path("/folder/large") == "/etc/large"
        (volume,) = volumes(source, read_partitions(source))
        assert (volume.uuid, volume.label) == (_UUID, "data")


def test_a_fat_volume_is_read(tmp_path: Path, folder: Path) -> None:
    image = blank(tmp_path / "volume", 34)
    run("mkfs.vfat", "-n", "DATA", "-i", "5F3B1A52", image)
    run("mcopy", "-i", image, "-s", folder / "etc", "::/")
    with LocalFile(image) as source:
        filesystem = identify_filesystem(source)
        assert filesystem.name == "vfat"
        assert filesystem.open
        root = filesystem.open(source)
        assert Tree(root).read("/etc/large") == _CONTENT
        assert Tree(root).read("/ETC/Large") == _CONTENT
        (volume,) = volumes(source, read_partitions(source))
        assert (volume.uuid, volume.label) == ("5F3B-1A52", "DATA")


def test_an_ntfs_volume_is_read(tmp_path: Path, folder: Path) -> None:
    image = blank(tmp_path / "volume", 32)
    run("mkntfs", "-q", "-F", "-f", image)
    run("ntfscp", image, folder / "etc/large", "large")
    with LocalFile(image) as source:
        filesystem = identify_filesystem(source)
        assert filesystem.name == "ntfs"
        assert filesystem.open
        root = filesystem.open(source)
        assert Tree(root).read("/large") == _CONTENT


@pytest.mark.parametrize("subvolume", ["@", "root"])
def test_the_system_subvolume_of_btrfs_is_read(
    tmp_path: Path, folder: Path, subvolume: str
) -> None:
    top = tmp_path / "top"
    top.mkdir()
    shutil.move(folder, top / subvolume)
    image = tmp_path / "volume"
    btrfs(image, top)
    with LocalFile(image) as source:
        filesystem = identify_filesystem(source)
        assert filesystem.open
        root = filesystem.open(source)
        assert Tree(root).read("/etc/large") == _CONTENT


@pytest.mark.parametrize(
    ("make", "kind"),
    [(("mkswap",), "swap"), (("mkfs.vfat",), "vfat"), (("true",), "zeros")],
)
def test_types_without_a_system_are_named(tmp_path: Path, make: tuple[str, ...], kind: str) -> None:
    image = blank(tmp_path / "volume", 16)
    run(*make, image)
    with LocalFile(image) as source:
        assert identify_filesystem(source).name == kind


@pytest.mark.parametrize(
    ("superblock", "magic"),
    [(65536, 0x19540119), (8192, 0x011954)],
    ids=["UFS2", "UFS1"],
)
def test_ufs_is_identified_by_its_magic(superblock: int, magic: int) -> None:
    """FreeBSD, sys/ufs/ffs/fs.h: SBLOCK_UFS2, SBLOCK_UFS1, FS_UFS2_MAGIC, FS_UFS1_MAGIC.

    In front of ``fs_magic``, the last field of ``struct fs``, are 1372 bytes.
    """
    disk = bytearray(_MIB)
    struct.pack_into("<I", disk, superblock + 1372, magic)
    assert identify_filesystem(Memory(bytes(disk))).name == "ufs"

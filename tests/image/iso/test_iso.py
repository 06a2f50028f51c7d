"""Discs made by xorriso and genisoimage, and real ones of Debian's packages."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from harness.image.fs.fat import FatVolume
from harness.image.iso.iso import IsoFacts, find_in_iso, known_systems, open_files, read_iso
from harness.image.source import LocalFile
from tests.image.isos import bios_loader, esp, genisoimage, pe_program, tree, xorriso

_BIOS = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
_EFI = ("-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot")


def facts_of(path: Path) -> IsoFacts:
    with LocalFile(path) as source:
        return read_iso(source)


def families(path: Path) -> list[tuple[str, str]]:
    return [(row.family, row.kind) for row in facts_of(path).systems]


def test_a_data_iso(tmp_path: Path) -> None:
    iso = xorriso(tmp_path / "x.iso", tree(tmp_path / "t", "readme.txt"), "-V", "SOME DATA")
    facts = facts_of(iso)
    assert facts.identifier == "SOME DATA"
    assert facts.boot_entries is None
    assert facts.faults == ()
    assert facts.volume
    assert facts.volume.size_bytes <= iso.stat().st_size


def test_bios_and_efi_entries(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    bios_loader(folder)
    esp(folder, "x86-64", "arm64")
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *_BIOS, *_EFI))
    assert facts.bios_entry
    assert facts.bios_entry.target == "present"
    assert len(facts.efi_entries) == 1
    assert facts.efi_architectures == ("arm64", "x86-64")


def test_efi_alone_is_no_bios_entry(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    esp(folder, "x86-64")
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *_EFI[1:]))
    assert facts.bios_entry is None
    assert facts.efi_architectures == ("x86-64",)


def test_loaders_beside_the_boot_image_stand_for_it(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "EFI/BOOT/readme")
    (folder / "EFI/BOOT/BOOTAA64.EFI").write_bytes(pe_program("arm64"))
    (folder / "efi.img").write_bytes(b"no FAT at all" * 500)
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *_EFI[1:]))
    assert facts.efi_architectures == ("arm64",)


@pytest.mark.parametrize(("fat", "size_kib"), [(12, 1440), (16, 16 << 10), (32, 64 << 10)])
def test_fat_of_every_width(tmp_path: Path, fat: int, size_kib: int) -> None:
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


def test_an_entry_that_points_at_nothing(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    (folder / "boot.bin").write_bytes(bytes(2048))
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *_BIOS))
    assert facts.boot_entries
    assert facts.boot_entries[0].target == "blank"


def test_a_hybrid_iso_has_a_partition_table_too(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    bios_loader(folder)
    iso = xorriso(
        tmp_path / "x.iso", folder, *_BIOS, "--mbr-force-bootable", "-partition_offset", "16"
    )
    facts = facts_of(iso)
    assert facts.partitions.kind == "mbr"
    assert facts.bios_entry


def test_rock_ridge_names_win_and_joliet_helps(tmp_path: Path) -> None:
    name = "install.amd/vmlinuz"
    rock = xorriso(tmp_path / "r.iso", tree(tmp_path / "t", name))
    joliet = genisoimage(tmp_path / "j.iso", tmp_path / "t", "-J")
    plain = genisoimage(tmp_path / "p.iso", tmp_path / "t", "-iso-level", "4")
    for iso in (rock, joliet, plain):
        assert ("Debian", "installer") in families(iso)


def test_a_name_that_continues_in_another_block(tmp_path: Path) -> None:
    long_name = "x" * 240
    iso = xorriso(tmp_path / "x.iso", tree(tmp_path / "t", f"{long_name}/amd64/bsd.rd"))
    assert families(iso) == [("OpenBSD", "installer")]


def content_on(path: Path, name: str) -> tuple[int, bytes]:
    """How large the file says it is, and what of it can be read."""
    with LocalFile(path) as source:
        tree_of_files = open_files(source)[0]
        (entry,) = find_in_iso(tree_of_files, name)
        content = tree_of_files.content(entry)
        return tree_of_files.size_bytes(entry), content.read_at(0, content.size_bytes)


def test_a_file_in_several_extents_of_iso9660(tmp_path: Path) -> None:
    """As mkisofs writes files of 4 GiB and more: a record for each extent, all of one name."""
    folder = tmp_path / "t"
    folder.mkdir()
    parts = [b"one" * 1000, b"two" * 1000]
    for number, part in enumerate(parts, start=1):
        (folder / f"BOOT.WI{number}").write_bytes(part)
    iso = genisoimage(tmp_path / "x.iso", folder)
    content = bytearray(iso.read_bytes())
    for name in (b"BOOT.WI1;1", b"BOOT.WI2;1"):
        at = content.index(name)
        content[at : at + len(name)] = b"BOOT.WIM;1"
    content[content.index(b"BOOT.WIM;1") - 8] |= 0x80  # the flags of the first record
    iso.write_bytes(content)
    assert content_on(iso, "boot.wim") == (6000, b"".join(parts))


def split_udf_extent(iso: Path, first_bytes: int, flags: int = 0) -> None:
    """Let the largest file of a UDF disc lie in two extents: what it has, cut after a block."""
    content = bytearray(iso.read_bytes())
    entries = [
        at
        for at in range(0, len(content), 2048)
        if content[at : at + 2] == b"\x05\x01" and content[at + 2 : at + 4] == b"\x02\x00"
    ]
    at = max(entries, key=lambda at: int.from_bytes(content[at + 56 : at + 64], "little"))
    rows = at + 176 + int.from_bytes(content[at + 168 : at + 172], "little")
    size, block = struct.unpack_from("<II", content, rows)
    step = 16 if content[at + 34] & 7 else 8
    struct.pack_into("<I", content, at + 172, 2 * step)
    struct.pack_into("<II", content, rows, first_bytes, block)
    second = size - first_bytes | flags << 30
    struct.pack_into("<II", content, rows + step, second, block + first_bytes // 2048)
    iso.write_bytes(content)


@pytest.mark.parametrize(("flags", "readable"), [(0, 9000), (1, 4096), (3, 4096)])
def test_a_file_in_several_extents_of_udf(tmp_path: Path, flags: int, readable: int) -> None:
    """Extents of less than 1 GiB; one that is not recorded, or a list that goes on, ends it."""
    folder = tmp_path / "t"
    folder.mkdir()
    (folder / "boot.wim").write_bytes(bytes(range(250)) * 36)
    iso = genisoimage(tmp_path / "x.iso", folder, "-udf", "-hide", "*")
    split_udf_extent(iso, 4096, flags)
    assert content_on(iso, "boot.wim") == (9000, (bytes(range(250)) * 36)[:readable])


def test_udf_names_are_read_on_a_bridge(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "sources/boot.wim", "sources/install.esd", "bootmgr")
    iso = genisoimage(tmp_path / "x.iso", folder, "-udf", "-hide", "*")
    facts = facts_of(iso)
    assert facts.udf
    assert facts.systems[0].family == "Windows"


# One layout a family, as its discs have it.
_LAYOUTS = {
    "Debian": (("install.amd/vmlinuz", ".disk/info"), {"info": "Debian GNU/Linux 12"}),
    "Ubuntu": (("casper/install-sources.yaml", ".disk/info"), {"info": "Ubuntu-Server 24.04"}),
    "Fedora or RHEL": (("images/install.img", ".treeinfo"), {}),
    "Fedora CoreOS": (("images/ignition.img", "coreos/igninfo.json"), {}),
    "SUSE": (("boot/x86_64/loader/linux", "control.xml"), {}),
    "Arch": (("arch/x86_64/airootfs.sfs",), {}),
    "Alpine": ((".alpine-release", "apks/x86_64/APKINDEX.tar.gz"), {}),
    "FreeBSD": (("usr/freebsd-dist/MANIFEST", "boot/loader.rc"), {}),
    "OpenBSD": (("7.9/amd64/bsd.rd", "etc/boot.conf"), {}),
    "NetBSD": (("amd64/binary/sets/base.tar.xz",), {}),
    "Proxmox": ((".pve-cd-id.txt", "pve-installer.squashfs"), {}),
    "Windows": (("sources/boot.wim", "sources/install.wim", "bootmgr"), {}),
}


@pytest.mark.parametrize("family", _LAYOUTS)
def test_installers_are_known_by_their_files(tmp_path: Path, family: str) -> None:
    paths, texts = _LAYOUTS[family]
    iso = xorriso(tmp_path / "x.iso", tree(tmp_path / "t", *paths, **texts))
    assert families(iso)[0] == (family, "installer")


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("live/filesystem.squashfs", "Debian Live"),
        ("casper/filesystem.squashfs", "Ubuntu"),
        ("LiveOS/squashfs.img", "Fedora Live"),
        ("nix-store.squashfs", "NixOS"),
        ("sources/boot.wim", "Windows PE"),
    ],
)
def test_live_systems_are_no_installers(tmp_path: Path, path: str, family: str) -> None:
    iso = xorriso(tmp_path / "x.iso", tree(tmp_path / "t", path))
    assert families(iso) == [(family, "live")]


def test_every_family_of_the_table_has_an_iso_in_the_tests() -> None:
    installers = {row.family for row in known_systems() if row.kind == "installer"}
    assert installers == set(_LAYOUTS)


@pytest.mark.parametrize(
    ("path", "architectures"),
    [
        ("/usr/lib/grub-rescue/grub-rescue-cdrom.iso", ()),
        ("/usr/lib/ipxe/ipxe.iso", ("x86-64",)),
        ("/usr/lib/memtest86+/memtest86+x64.iso", ("x86-64",)),
        ("/usr/lib/memtest86+/memtest86+ia32.iso", ("i386",)),
    ],
)
def test_real_isos_of_packages(path: str, architectures: tuple[str, ...]) -> None:
    facts = facts_of(Path(path))
    assert facts.bios_entry
    assert facts.bios_entry.target == "present"
    # Debian 13's iPXE brings loaders of more of them than Debian 12's.
    assert set(facts.efi_architectures) >= set(architectures)
    assert bool(facts.efi_architectures) == bool(architectures)
    assert facts.systems == ()
    assert facts.faults == ()
    assert facts.missing_bytes == 0

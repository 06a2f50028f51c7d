"""ISOs made by xorriso and genisoimage, and real ones of Debian packages."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.image.iso.iso_image import known_systems
from tests.image.iso_facts import facts_of, families
from tests.image.isos import (
    BIOS_ENTRY,
    EFI_ENTRY,
    bios_loader,
    pe_program,
    tree,
    xorriso,
)


def test_a_data_iso_has_no_boot_entries(tmp_path: Path) -> None:
    iso = xorriso(tmp_path / "x.iso", tree(tmp_path / "t", "readme.txt"), "-V", "SOME DATA")
    facts = facts_of(iso)
    assert facts.identifier == "SOME DATA"
    assert facts.boot_entries is None
    assert facts.faults == ()
    assert facts.volume
    assert facts.volume.size_bytes <= iso.stat().st_size


def test_loaders_on_the_iso_are_the_fallback_for_the_boot_image(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "EFI/BOOT/readme")
    (folder / "EFI/BOOT/BOOTAA64.EFI").write_bytes(pe_program("arm64"))
    (folder / "efi.img").write_bytes(b"no FAT at all" * 500)
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *EFI_ENTRY))
    assert facts.efi_architectures == ("arm64",)


def test_a_hybrid_iso_has_a_partition_table_too(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    bios_loader(folder)
    iso = xorriso(
        tmp_path / "x.iso", folder, *BIOS_ENTRY, "--mbr-force-bootable", "-partition_offset", "16"
    )
    facts = facts_of(iso)
    assert facts.partitions.kind == "mbr"
    assert facts.bios_entry


# One layout for each family, as on its ISOs.
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


def test_every_family_of_the_table_is_tested() -> None:
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
def test_real_isos_of_debian_packages(path: str, architectures: tuple[str, ...]) -> None:
    facts = facts_of(Path(path))
    assert facts.bios_entry
    assert facts.bios_entry.target == "present"
    # Debian 13's iPXE brings loaders of more of them than Debian 12's.
    assert set(facts.efi_architectures) >= set(architectures)
    assert bool(facts.efi_architectures) == bool(architectures)
    assert facts.systems == ()
    assert facts.faults == ()
    assert facts.missing_bytes == 0

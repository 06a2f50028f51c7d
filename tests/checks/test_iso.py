"""Findings about ISO images, real ones that were made for it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.examine.gate import gate
from harness.image.source import LocalFile
from harness.provider.profile import load_profile
from tests.examine.gated import gate_of, ids
from tests.image.disk_files import patch, run
from tests.image.isos import BIOS_ENTRY, EFI_ENTRY, bios_loader, bootable, esp, tree, xorriso


def test_an_installer_iso_passes(tmp_path: Path) -> None:
    found = gate_of(bootable(tmp_path, "install.amd/vmlinuz"))
    assert (found.format, found.findings) == ("iso", ())
    assert found.content == "Debian installer disc 'ISOIMAGE', starts from BIOS"


def test_a_bootable_iso_without_an_installer(tmp_path: Path) -> None:
    assert ids(bootable(tmp_path)) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/ipxe/ipxe.iso")) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/memtest86+/memtest86+x64.iso")) == ["iso.no-installer"]
    assert ids(Path("/usr/lib/grub-rescue/grub-rescue-cdrom.iso")) == ["iso.no-installer"]


def test_a_live_iso(tmp_path: Path) -> None:
    found = gate_of(bootable(tmp_path, "live/filesystem.squashfs"))
    assert [row.id for row in found.findings] == ["iso.no-installer"]
    assert "live system" in found.findings[0].statement


def test_a_data_iso(tmp_path: Path) -> None:
    iso = xorriso(tmp_path / "disc.iso", tree(tmp_path / "t", "user-data", "meta-data"))
    assert ids(iso) == ["iso.not-bootable"]


def test_a_boot_catalog_that_points_at_zeros(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    (folder / "boot.bin").write_bytes(bytes(2048))
    assert ids(xorriso(tmp_path / "disc.iso", folder, *BIOS_ENTRY)) == ["iso.not-bootable"]


def test_an_iso_for_uefi_only(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    esp(folder, "x86-64")
    found = gate_of(xorriso(tmp_path / "disc.iso", folder, *EFI_ENTRY))
    assert [row.id for row in found.findings] == ["firmware.uefi-only"]
    assert found.passes, "a boot may refute it"


@pytest.mark.parametrize(
    ("efi", "expected"),
    [(None, ["firmware.bios-only"]), ("arm64", ["firmware.bios-only"]), ("x86-64", [])],
)
def test_an_iso_under_uefi(tmp_path: Path, efi: str | None, expected: list[str]) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    options = BIOS_ENTRY
    if efi:
        esp(folder, efi)
        options = (*BIOS_ENTRY, "-eltorito-alt-boot", *EFI_ENTRY)
    iso = xorriso(tmp_path / "disc.iso", folder, *options)
    with LocalFile(iso) as source:
        found = gate(source, load_profile("contabo").with_firmware("uefi"))
    assert [row.id for row in found.findings] == expected


def test_an_iso_for_another_processor(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.a64/vmlinuz")
    esp(folder, "arm64")
    iso = xorriso(tmp_path / "disc.iso", folder, *EFI_ENTRY)
    assert ids(iso) == ["firmware.uefi-only", "arch.not-x86-64"]


def test_a_windows_iso_is_not_permitted(tmp_path: Path) -> None:
    iso = bootable(tmp_path, "sources/boot.wim", "sources/install.wim")
    assert ids(iso) == ["windows.licence"]


def test_a_truncated_iso(tmp_path: Path) -> None:
    iso = bootable(tmp_path, "install.amd/vmlinuz")
    with iso.open("r+b") as file:
        file.truncate(100_000)
    assert ids(iso) == ["format.truncated"]


def test_a_malformed_iso(tmp_path: Path) -> None:
    iso = patch(bootable(tmp_path, "install.amd/vmlinuz"), 32768 + 128, b"\x30\x30")
    found = gate_of(iso)
    assert found.findings[0].id == "iso.malformed"
    assert "byte 32896" in found.findings[0].statement


@pytest.mark.parametrize("options", [(), ("-c",), ("-c", "-o", "compression_type=zstd")])
def test_an_iso_in_a_disk_image(tmp_path: Path, options: tuple[str, ...]) -> None:
    iso = bootable(tmp_path, "install.amd/vmlinuz")
    image = tmp_path / "disk.qcow2"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", *options, iso, image)
    assert "iso.data-in-disk-image" in ids(image)


def test_a_hybrid_iso_in_a_disk_image(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    iso = "/usr/lib/ipxe/ipxe.iso"
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", iso, image)
    assert "iso.data-in-disk-image" in ids(image)


def test_a_disk_on_which_an_iso_lay_before_is_a_disk(tmp_path: Path) -> None:
    iso, image = bootable(tmp_path), tmp_path / "disk.qcow2"
    with iso.open("r+b") as file:
        file.truncate(8 << 20)
    script = "label: gpt\nstart=2048\n"
    subprocess.run(["sfdisk", "-q", "-w", "never", iso], input=script, text=True, check=True)
    run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", iso, image)
    assert ids(image) == []


def test_a_hybrid_iso_is_no_polyglot(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    iso = xorriso(tmp_path / "disc.iso", folder, *BIOS_ENTRY, "--mbr-force-bootable")
    assert ids(iso) == []

"""Boot catalogs of ISO images, as xorriso writes them."""

from __future__ import annotations

from pathlib import Path

from tests.image.iso_facts import facts_of
from tests.image.isos import (
    BIOS_ENTRY,
    EFI_ENTRY,
    bios_loader,
    esp,
    tree,
    xorriso,
)


def test_bios_and_efi_entries(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    bios_loader(folder)
    esp(folder, "x86-64", "arm64")
    facts = facts_of(
        xorriso(tmp_path / "x.iso", folder, *BIOS_ENTRY, "-eltorito-alt-boot", *EFI_ENTRY)
    )
    assert facts.bios_entry
    assert facts.bios_entry.target == "present"
    assert len(facts.efi_entries) == 1
    assert facts.efi_architectures == ("arm64", "x86-64")


def test_an_efi_entry_alone_is_no_bios_entry(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    esp(folder, "x86-64")
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *EFI_ENTRY))
    assert facts.bios_entry is None
    assert facts.efi_architectures == ("x86-64",)


def test_the_target_of_an_entry_is_blank_or_beyond_the_end(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "readme.txt")
    (folder / "boot.bin").write_bytes(bytes(2048))
    facts = facts_of(xorriso(tmp_path / "x.iso", folder, *BIOS_ENTRY))
    assert facts.boot_entries
    assert facts.boot_entries[0].target == "blank"

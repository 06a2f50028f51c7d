"""Names and files of ISO 9660, with Rock Ridge and Joliet."""

from __future__ import annotations

from pathlib import Path

from tests.image.iso_facts import content_on, families
from tests.image.isos import genisoimage, tree, xorriso


def test_systems_are_found_by_rock_ridge_joliet_and_plain_names(tmp_path: Path) -> None:
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


def test_a_file_in_several_extents_of_iso9660(tmp_path: Path) -> None:
    """The layout of mkisofs for files of 4 GiB and more: a record for each extent, one name."""
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

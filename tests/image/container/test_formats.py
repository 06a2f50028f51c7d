"""The format of a file by its bytes, and polyglots."""

from __future__ import annotations

import pytest

from harness.image.container.formats import SIGNATURES, Signature, identify
from harness.image.source import Memory

_CONFIRMED = {"ext", "ova", "tar", "lzma", "bzip2"}
"""Formats whose magic alone is not enough."""
_QCOW2 = b"QFI\xfb\x00\x00\x00\x03"
_MBR = bytes(510) + b"\x55\xaa"


def at(content: bytes, offset: int = 0) -> bytes:
    return (bytes(offset) + content).ljust(70_000, b"\0")


@pytest.mark.parametrize(
    "row",
    [row for row in SIGNATURES if row.format not in _CONFIRMED],
    ids=lambda row: f"{row.format}-{row.magic[:8].hex()}",
)
def test_every_magic_is_found_only_at_its_offset(row: Signature) -> None:
    assert identify(Memory(at(row.magic, row.offset))).format == row.format
    assert identify(Memory(at(row.magic, row.offset + 1))).format != row.format


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"", "empty"),
        (_MBR, "raw"),
        (_MBR[:3] + b"NTFS    " + _MBR[11:], "ntfs"),
        (bytes(512) + b"EFI PART", "raw"),
        (bytes(4096), "raw"),
        (b"  <!DOCTYPE html><p>log in", "html"),
        (b"not found\n", "text"),
        (b"\x01\x02\x03", "unknown"),
    ],
)
def test_formats_without_a_magic_are_identified(content: bytes, name: str) -> None:
    assert identify(Memory(content)).format == name


@pytest.mark.parametrize(
    "content",
    [
        at(b"\x53\xef", 1080),  # no inodes, no blocks
        at(b"BZh?"),
        at(b"BZh91AY&SX"),
        at(b"\x5d\x00\x00\x01\x01" + b"\xff" * 8),  # a dictionary size that is no power of two
    ],
)
def test_a_short_magic_alone_is_not_enough(content: bytes) -> None:
    assert identify(Memory(content)).kind in ("disk", "data")
    assert identify(Memory(content)).format in ("raw", "unknown")


def test_an_ova_is_a_tar_that_begins_with_its_descriptor() -> None:
    for name, expected in ((b"box.OVF", "ova"), (b"box.vmdk", "tar")):
        assert identify(Memory(at(name.ljust(257, b"\0") + b"ustar"))).format == expected


def test_a_fixed_vhd_is_identified_by_its_footer() -> None:
    disk = _MBR + bytes(4096) + b"conectix".ljust(512, b"\0")
    assert identify(Memory(disk)).format == "vpc"
    assert identify(Memory(disk[:-1])).format == "raw"


def test_a_polyglot_has_all_its_formats() -> None:
    both = at(b"CD001", 32769)
    assert identify(Memory(both)).polyglot == ()
    both = _QCOW2 + both[len(_QCOW2) :]
    found = identify(Memory(both))
    assert [row.format for row in found.polyglot] == ["qcow2", "iso"]
    assert found.format == "qcow2", "what the first bytes say is believed by QEMU"


def test_a_hybrid_iso_is_only_an_iso() -> None:
    hybrid = _MBR + at(b"CD001", 32769)[512:]
    assert identify(Memory(hybrid)).format == "iso"
    assert identify(Memory(hybrid)).polyglot == ()

"""Names and files of UDF."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.image.iso_facts import content_on, facts_of
from tests.image.isos import genisoimage, tree


def split_udf_extent(iso: Path, first_bytes: int, flags: int = 0) -> None:
    """Split the extent of the largest file of a UDF volume in two after ``first_bytes``."""
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
    """An extent has less than 1 GiB; an unrecorded one, or a continued list, ends the file."""
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

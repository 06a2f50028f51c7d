"""The gate: which format a file has, whatever its name."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examine.gated import gate_of, ids
from tests.image.disk_files import patch, qcow2
from tests.image.isos import bootable


@pytest.mark.parametrize("name", ["image", "image.iso.txt", "image.raw"])
def test_content_decides_not_the_name(raw: Path, name: str) -> None:
    assert gate_of(qcow2(raw, name=name)).format == "qcow2"


def test_a_name_that_promises_the_other_format(raw: Path) -> None:
    assert ids(qcow2(raw, name="disk.iso")) == ["format.name-mismatch"]


def test_an_iso_with_a_qcow2_in_its_system_area_is_refused(tmp_path: Path, raw: Path) -> None:
    head = qcow2(raw).read_bytes()[:32768]
    iso = patch(bootable(tmp_path, "install.amd/vmlinuz"), 0, head)
    found = gate_of(iso)
    assert found.findings[0].id == "format.polyglot"
    assert not found.passes

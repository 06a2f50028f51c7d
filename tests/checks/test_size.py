"""Sizes of images at the limits of a provider."""

from __future__ import annotations

from pathlib import Path

from tests.examine.gated import gate_of, ids
from tests.image.disk_files import run


def test_limits_of_size(tmp_path: Path) -> None:
    limit, image = 100_000_000_000, tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", image, str(limit))
    assert ids(image) == []
    run("qemu-img", "create", "-f", "qcow2", image, str(limit + 512))
    assert ids(image) == ["size.over-limit"]


def test_the_quota_is_a_warning(tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    run("qemu-img", "create", "-f", "qcow2", "-o", "preallocation=metadata", image, "26G")
    found = gate_of(image)
    assert [row.id for row in found.findings] == ["size.over-quota"]
    assert found.passes

"""A handful of the gallery on real machines; ``make gallery`` runs all of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.trial.replay import replay
from images.gallery.build import build_entry
from images.gallery.entry import load_entry
from tests.processes import machines_of
from tests.program import ProgramRun

Verify = Callable[..., ProgramRun]

pytestmark = pytest.mark.boot


def is_right(ran: ProgramRun, name: str) -> bool:
    expected = load_entry(name).expected
    outcome, stage, cause = ran.brief()
    return (outcome, cause) == (expected.outcome, expected.cause) and stage in expected.stages


@pytest.mark.parametrize("name", ["grub-rescue", "kernel-corrupt", "windows-7b-stand-in"])
def test_the_text_of_the_screen_alone_decides(verify: Verify, name: str) -> None:
    ran = verify(build_entry(name), "--no-counterfactual")
    assert is_right(ran, name)
    assert not [row for row in ran.evidence if row["channel"] == "clock" and row.get("last")]
    cause = next(row for row in ran.result["findings"] if row["id"] == ran.result["cause"])
    assert cause["evidence"]
    assert json.loads(replay(ran.run_dir).to_json()) == ran.result


def test_a_boot_sector_of_zeros_fails_without_any_text(verify: Verify) -> None:
    ran = verify(build_entry("no-bootloader"))
    assert is_right(ran, "no-bootloader")
    quiet = [row for row in ran.evidence if (row["channel"], row["kind"]) == ("clock", "quiet")]
    assert not any(row["last"] for row in quiet)


@pytest.mark.slow
def test_a_missing_driver_is_proved_by_another_disk(verify: Verify) -> None:
    name = "initramfs-no-virtio-scsi"
    ran = verify(build_entry(name))
    assert is_right(ran, name)
    second = ran.result["counterfactual"]
    assert (second["outcome"], second["stage"]) == ("pass", "root")
    assert second["statement"] == (
        "Comes to the stage root with an IDE disk, and not with virtio-scsi."
    )
    assert replay(ran.run_dir / "counterfactual").outcome == "pass"
    assert json.loads(replay(ran.run_dir).to_json()) == ran.result
    cause = next(row for row in ran.result["findings"] if row["id"] == "boot.disk-not-found")
    assert "virtio_scsi is not in the initramfs" in cause["statement"]
    assert "update-initramfs" in cause["remedy"]
    assert machines_of(ran.scratch) == []
    assert list(ran.scratch.iterdir()) == []


@pytest.mark.slow
def test_no_second_boot_is_made_without_counterfactual(verify: Verify, tmp_path: Path) -> None:
    ran = verify(build_entry("virtio-scsi-blacklisted"), "--no-counterfactual")
    assert is_right(ran, "virtio-scsi-blacklisted")
    assert ran.result["counterfactual"] is None
    assert not (ran.run_dir / "counterfactual").exists()

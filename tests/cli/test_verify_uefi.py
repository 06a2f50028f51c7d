"""Real boots of a q35 with UEFI: without and with Secure Boot and a TPM."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import harness.provider
from harness.trial.replay import replay
from images.build import build
from images.gallery.build import build_entry
from tests.processes import machines_of, wait_for
from tests.program import HARNESS, ProgramRun

SHIPPED = Path(harness.provider.__file__).parent
Verify = Callable[..., ProgramRun]

pytestmark = pytest.mark.boot

# The cloud kernel of the tiny guest has no driver for the AHCI that the seed's drive is at.
NO_SEED = "tiny.mode=no-seed tiny.address=203.0.113.10/24"


def serial_of(ran: ProgramRun) -> str:
    return (ran.run_dir / "serial.log").read_text(encoding="utf-8", errors="replace")


def test_a_q35_boots_from_uefi_with_its_devices_on_the_buses_that_are_named(
    verify: Verify,
) -> None:
    ran = verify(build("tiny", NO_SEED, "uefi"), "--provider", "uefi-q35")
    assert ran.brief() == ("pass", "network", None)
    said = serial_of(ran)
    for place, kind in (("01", "1041"), ("02", "1048"), ("03", "1045")):
        assert f"pci 0000:{place}:00.0: [1af4:{kind}]" in said
    assert "there is /dev/tpm0" not in said
    assert machines_of(ran.scratch) == []


@pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
def test_secure_boot_refuses_a_loader_that_nobody_has_signed(verify: Verify) -> None:
    image = build("tiny", NO_SEED, "uefi")
    ran = verify(image, "--provider", "uefi-secure", "--no-counterfactual")
    assert ran.brief() == ("fail", "firmware", "firmware.not-signed")
    assert ran.result["prediction"] == {
        "will_boot": False,
        "because": ["firmware.not-signed"],
        "unknown": [],
    }
    (cause,) = [row for row in ran.result["findings"] if row["id"] == "firmware.not-signed"]
    assert "its certificate table is empty" in cause["evidence"][0]
    assert any("Access Denied" in line for line in cause["evidence"])
    assert json.loads(replay(ran.run_dir).to_json()) == ran.result
    assert machines_of(ran.scratch) == []
    assert list(ran.scratch.iterdir()) == []


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
def test_secure_boot_starts_what_is_signed_and_the_guest_sees_its_tpm(verify: Verify) -> None:
    ran = verify(build("tiny-signed", NO_SEED), "--provider", "uefi-secure")
    assert ran.brief() == ("pass", "network", None)
    said = serial_of(ran)
    assert "secureboot: Secure boot enabled" in said
    assert "there is /dev/tpm0" in said
    assert machines_of(ran.scratch) == []
    assert list(ran.scratch.iterdir()) == []


@pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
def test_a_pc_has_a_tpm_where_a_profile_of_ones_own_says_so(verify: Verify, tmp_path: Path) -> None:
    before = (SHIPPED / "contabo.toml").read_text()
    profile = tmp_path / "pc-with-tpm.toml"
    profile.write_text(
        before.replace("[machine.tpm]\nvalue = false", "[machine.tpm]\nvalue = true")
    )
    ran = verify(build("tiny"), "--provider-file", profile)
    assert ran.brief() == ("pass", "network", None)
    assert "there is /dev/tpm0" in serial_of(ran)


@pytest.mark.skipif(shutil.which("swtpm") is None, reason="swtpm is not installed")
def test_a_killed_program_takes_its_tpm_along(
    tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    run_dir = tmp_path / "run"
    words = [HARNESS, "verify", build("tiny", NO_SEED, "uefi"), "--accel", "tcg"]
    with subprocess.Popen(
        [*words, "--provider", "uefi-secure", "--run-dir", run_dir],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=program_env,
    ) as process:
        evidence = run_dir / "evidence.jsonl"
        wait_for(lambda: evidence.exists() and "power-on" in evidence.read_text())
        assert len(machines_of(scratch)) == 2
        process.kill()
    wait_for(lambda: machines_of(scratch) == [])


def test_an_image_that_needs_a_remembered_entry_fails_as_after_an_upload(
    verify: Verify,
) -> None:
    ran = verify(build_entry("boot-entry-only"), "--provider", "uefi-q35")
    assert ran.brief() == ("fail", "firmware", "firmware.no-fallback-loader")
    assert ran.result["prediction"]["because"] == ["firmware.no-fallback-loader"]
    ids = [row["id"] for row in ran.result["findings"]]
    assert "boot.no-bootable-device" in ids

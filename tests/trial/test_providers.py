"""One image at many providers: equal machines are booted only once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from harness.provider.profile import Claim, Profile, load_profile, shipped_profiles
from harness.trial.providers import (
    ProviderResult,
    as_json,
    exit_status,
    guest_visible_settings,
    requests_for_providers,
    try_at_providers,
)
from harness.trial.replay import replay
from harness.trial.request import TrialRequest
from tests.program import harness


def twin(name: str, **claims: object) -> Profile:
    """Contabo's profile under another name, with other values in what may be uploaded."""
    profile = load_profile("contabo")
    known = {"source": "a test", "date": "2026-01-01", "confidence": "chosen"}
    rows = {key: Claim(value=value, **known) for key, value in claims.items()}
    images = profile.images.model_copy(update=rows)
    return profile.model_copy(update={"name": name, "images": images})


def test_providers_with_equal_machines_have_equal_settings() -> None:
    contabo = guest_visible_settings(load_profile("contabo"))
    assert guest_visible_settings(twin("cellar", max_size_bytes=1)) == contabo
    others = [load_profile(name) for name in ("digitalocean", "libvirt", "openstack", "proxmox")]
    assert len({contabo, *map(guest_visible_settings, others)}) == 5
    assert guest_visible_settings(load_profile("contabo").with_firmware("uefi")) != contabo


def test_every_provider_has_a_request_and_a_folder_of_its_own(tmp_path: Path) -> None:
    asked = TrialRequest(location="x", profile=load_profile("contabo"), run_dir=tmp_path)
    assert [row.profile.name for row in requests_for_providers(asked)] == [*shipped_profiles()]
    own = requests_for_providers(replace(asked, profile=twin("cellar")))
    assert [row.profile.name for row in own] == [*shipped_profiles(), "cellar"]
    assert {row.run_dir for row in own} == {tmp_path / row.profile.name for row in own}


@pytest.mark.boot
def test_a_provider_with_an_equal_machine_uses_the_first_boot(tiny: Path, tmp_path: Path) -> None:
    vmdk = tmp_path / "disk.vmdk"
    vmdk.write_bytes(b"KDMV" + bytes(4096))
    profiles = [
        load_profile("contabo"),
        twin("twin"),
        twin("small", max_size_bytes=1),
        twin("discs", formats=["iso"]),
        twin("odd", formats=["qcow2", "vmdk"]),
    ]

    requests = [
        TrialRequest(
            # A VMDK, which Odd takes, is not looked into.
            location=str(vmdk if profile.name == "odd" else tiny),
            profile=profile,
            run_dir=tmp_path / profile.name,
            accel="tcg",
        )
        for profile in profiles
    ]
    rows = try_at_providers(requests)
    brief = [(row.provider, row.same_as, row.result and row.result.cause) for row in rows]
    assert brief == [
        ("contabo", "", None),
        ("twin", "contabo", None),
        ("small", "", "size.over-limit"),
        ("discs", "", "format.unsupported"),
        ("odd", "", None),
    ]
    first, second = rows[0].result, rows[1].result
    assert first
    assert second
    assert (first.outcome, second.outcome) == ("pass", "pass")
    assert (second.provider, second.run_dir) == ("twin", str(tmp_path / "twin"))
    assert second.timings_s["network"] == first.timings_s["network"]
    # Its record stands on its own, as that of any run.
    assert replay(tmp_path / "twin") == second
    assert rows[4].not_tried.startswith(f"{vmdk}: is a VMDK")
    assert exit_status(rows) == 1
    object_ = json.loads(as_json(rows))
    assert object_["schema"] == "harness.providers/1"
    assert [row["same_boot_as"] for row in object_["results"]][:2] == [None, "contabo"]


def test_the_exit_status_is_that_of_the_worst() -> None:
    untried = ProviderResult("x", None, not_tried="why")
    assert exit_status([]) == 0
    assert exit_status([untried]) == 3
    assert exit_status([untried, replace(untried, provider="y")]) == 3


def test_an_image_that_no_provider_accepts_is_not_booted(tmp_path: Path) -> None:
    image = tmp_path / "notes.txt"
    image.write_text("no image at all\n")
    done = harness("verify", "--all-providers", image, "--run-dir", tmp_path / "runs")
    assert done.returncode == 1
    for name in ("contabo", "digitalocean", "libvirt", "openstack", "proxmox"):
        assert name in done.stdout
    assert "format.unsupported" in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ("--all-providers", "--install"),
        ("--all-providers", "--hold-on-fail"),
        ("--all-providers", "--firmware", "uefi"),
        ("--all-providers", "--backend", "libvirt"),
        ("--install", "--hold-on-fail"),
        ("--backend", "libvirt", "--install"),
    ],
)
def test_options_that_contradict_each_other_are_an_error(options: tuple[str, ...]) -> None:
    done = harness("verify", "x", *options)
    assert done.returncode == 2
    assert "give one of them" in done.stderr


def test_a_missing_image_is_an_error_and_no_table() -> None:
    done = harness("verify", "/nonexistent/x.qcow2", "--all-providers")
    assert (done.returncode, done.stdout) == (2, "")
    assert "cannot be read: No such file" in done.stderr

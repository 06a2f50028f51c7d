import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

import harness.machine
from harness.machine.acceleration import _first_error, choose_acceleration, probe


def test_the_boot_sector_is_what_its_source_assembles_to(tmp_path: Path) -> None:
    if shutil.which("nasm") is None:
        pytest.skip("nasm is not installed")
    folder = resources.files(harness.machine)
    source = tmp_path / "long_mode.asm"
    source.write_text(folder.joinpath("long_mode.asm").read_text())
    subprocess.run(["nasm", "-f", "bin", source, "-o", tmp_path / "out"], check=True)
    assert (tmp_path / "out").read_bytes() == folder.joinpath("long_mode.bin").read_bytes()


def test_the_probe_reports_the_error_and_not_the_assertion() -> None:
    said = (
        "qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69\n"
        "qemu-system-x86_64: ../../kvm.c:3183: kvm_buf_set_msrs: Assertion `ret == n' failed.\n"
    )
    assert _first_error(said, -6) == "failed to set MSR 0x10a to 0x69"
    assert _first_error("", 1) == "exit status 1"


@pytest.mark.boot
def test_emulation_runs_64_bit_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = probe("tcg")
    assert first.usable
    assert first.count_s > 0
    assert (tmp_path / "harness" / "acceleration.json").exists()


@pytest.mark.boot
@pytest.mark.parametrize(("count_s", "again"), [(0.1, False), (50.0, True)])
def test_a_speed_is_remembered_unless_the_host_was_busy_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count_s: float, again: bool
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    probe("tcg")
    cache = tmp_path / "harness" / "acceleration.json"
    rows = json.loads(cache.read_text())
    for row in rows.values():
        row["count_s"] = count_s
    cache.write_text(json.dumps(rows))
    assert (probe("tcg").count_s != count_s) is again


@pytest.mark.boot
def test_an_invalid_cache_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = tmp_path / "harness" / "acceleration.json"
    cache.parent.mkdir()
    cache.write_text('{"tcg": 7')
    assert probe("tcg").usable


@pytest.mark.boot
def test_auto_takes_what_runs_and_says_why_not_kvm() -> None:
    chosen = choose_acceleration("auto")
    kvm = probe("kvm")
    assert chosen.accelerator == ("kvm" if kvm.usable else "tcg")
    assert bool(chosen.note) == (not kvm.usable)
    assert kvm.reason in chosen.note

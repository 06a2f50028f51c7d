"""A bug is said to be one: status 4, a sentence, a traceback in a file; wherever it is."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.events import ChecksEnd
from harness.evidence.log import EvidenceLog
from harness.trial.result import EVIDENCE_FILE
from images.build import build
from tests.broken import with_bug
from tests.program import HARNESS

pytestmark = pytest.mark.programs


def run(env: dict[str, str], *words: object) -> subprocess.CompletedProcess[str]:
    said = [str(HARNESS), *map(str, words)]
    both = {**os.environ, **env}
    done = subprocess.run(said, capture_output=True, text=True, env=both, check=False)
    assert "Traceback" not in done.stderr
    return done


def tracebacks(folder: Path) -> list[Path]:
    return list((folder / "state" / "harness" / "tracebacks").glob("*"))


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("harness.report.findings_page", "find_explanation", ("explain", "boot.hung")),
        ("harness.machine.doctor", "host_checks", ("doctor",)),
        ("harness.provider.profile", "shipped_profiles", ("providers",)),
        ("harness.report.gather", "gather", ("report", "RUN")),
        ("harness.matrix.catalog", "load_catalogs", ("matrix", "RUN")),
        ("harness.console.player", "read_evidence", ("console", "RUN", "--web")),
        ("harness.provider.profile", "load_profile", ("check", "/nonexistent")),
    ],
)
def test_a_command_with_a_bug_says_so(
    tmp_path: Path, module: str, name: str, words: tuple[str, ...]
) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    with EvidenceLog(run_dir / EVIDENCE_FILE) as log:
        log.record(ChecksEnd())
    env = with_bug(tmp_path / "bug", module, name)
    done = run(env, *(run_dir if word == "RUN" else word for word in words))
    assert done.returncode == 4, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("harness: Internal error: ZeroDivisionError in harness/")
    (file,) = tracebacks(tmp_path / "bug")
    assert str(file) in line
    assert "a bug that a test put there" in file.read_text()


@pytest.mark.parametrize(
    ("module", "name", "words"),
    [
        ("harness.provider.profile", "shipped_profiles", ("providers", "--json")),
        ("harness.matrix.catalog", "load_catalogs", ("matrix", "--json", "x.toml")),
        ("harness.provider.profile", "load_profile", ("check", "--json", "/nonexistent")),
    ],
)
def test_without_a_result_the_error_is_the_object(
    tmp_path: Path, module: str, name: str, words: tuple[str, ...]
) -> None:
    done = run(with_bug(tmp_path / "bug", module, name), *words)
    assert done.returncode == 4
    said = json.loads(done.stdout)
    (file,) = tracebacks(tmp_path / "bug")
    assert (said["schema"], said["outcome"]) == ("harness.error/1", "error")
    assert said["cause"] == "internal.error"
    assert said["traceback_file"] == str(file)
    assert said["statement"] in done.stderr


def result_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    assert done.returncode == 4, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["schema"] == "harness.result/1"
    assert (result["outcome"], result["cause"]) == ("error", "internal.error")
    assert [row["id"] for row in result["findings"]] == ["internal.error"]
    return result


@pytest.mark.parametrize("command", ["check", "verify"])
def test_a_bug_of_the_gate_is_the_result(tmp_path: Path, command: str) -> None:
    image = tmp_path / "x.qcow2"
    image.write_bytes(b"")
    env = with_bug(tmp_path / "bug", "harness.examine.gate", "gate")
    # It was imported by name before it was broken.
    env = with_bug(tmp_path / "bug", "harness.examine.image_report", "gate")
    result = result_of(run(env, command, "--json", image))
    assert result["image"]["location"] == str(image)


def test_a_bug_while_a_run_is_judged_again_is_the_result(tmp_path: Path) -> None:
    with EvidenceLog(tmp_path / EVIDENCE_FILE) as log:
        log.record(ChecksEnd())
    env = with_bug(tmp_path / "bug", "harness.trial.replay", "read_evidence")
    result = result_of(run(env, "replay", "--json", tmp_path))
    assert result["image"]["location"] == str(tmp_path)


def test_a_bug_in_the_child_is_that_of_the_run(tmp_path: Path) -> None:
    env = with_bug(tmp_path / "bug", "harness.image.os.disk", "read_disk")
    result = result_of(run(env, "check", "--json", build("tiny")))
    assert (
        "ZeroDivisionError in the program that looks into an image"
        in (result["findings"][0]["statement"])
    )
    (file,) = tracebacks(tmp_path / "bug")
    assert "read_disk" in file.read_text()


@pytest.mark.boot
@pytest.mark.parametrize(
    ("module", "name"),
    [
        # An observer, what starts the machine, and who shows the progress.
        ("harness.trial.observers", "read_screens"),
        ("harness.trial.boot", "deliver_seed"),
        ("harness.report.run_progress", "printable"),
    ],
)
def test_a_bug_during_a_boot_is_in_its_record(
    tmp_path: Path, scratch: Path, module: str, name: str
) -> None:
    env = {**with_bug(tmp_path / "bug", module, name), "TMPDIR": str(scratch)}
    run_dir = tmp_path / "run"
    words = ("--json", "--accel", "tcg", "--run-dir", run_dir)
    done = run(env, "verify", *words, build("tiny"))
    result = json.loads(done.stdout)
    assert done.returncode == 4
    assert (result["outcome"], result["cause"]) == ("error", "internal.error")
    assert "a bug that a test put there" in (run_dir / "internal-error.txt").read_text()
    assert json.loads((run_dir / "result.json").read_text()) == result
    again = run({}, "replay", "--json", run_dir)
    assert json.loads(again.stdout)["cause"] == "internal.error"
    assert list(scratch.iterdir()) == []

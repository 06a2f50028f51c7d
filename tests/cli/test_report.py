"""``harness report``, the program itself."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from junitparser import JUnitXml

from tests.program import HARNESS
from tests.report.samples import unpack

pytestmark = pytest.mark.programs

Report = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def report(program_env: dict[str, str]) -> Report:
    env = {name: value for name, value in program_env.items() if not name.startswith("GITHUB_")}

    def run(*words: Path | str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [HARNESS, "report", *words],
            capture_output=True,
            text=True,
            env={**env, **more},
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def test_all_formats_at_once(tmp_path: Path, report: Report) -> None:
    runs = [unpack(name, tmp_path) for name in ("grub-rescue", "healthy-tiny")]
    files = {kind: tmp_path / f"report.{kind}" for kind in ("html", "junit", "markdown")}
    words = [word for kind, path in files.items() for word in (f"--{kind}", path)]
    done = report(*runs, *words, "--json", "-")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["schema"] == "harness.matrix/1"
    assert files["html"].read_text().startswith("<!doctype html>")
    assert JUnitXml.fromfile(str(files["junit"])).failures == 1
    assert files["markdown"].read_text().startswith("## 1 of 2 images are as expected, 1 is not")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == [
        "report.html",
        "report.junit",
        "report.markdown",
    ]


def test_summary_is_printed_without_options(tmp_path: Path, report: Report) -> None:
    done = report(unpack("grub-rescue", tmp_path))
    assert done.returncode == 0
    assert "grub-rescue  FAIL boot.loader-failed" in done.stdout
    assert "The image is not as expected." in done.stdout


def test_github_gets_summary_and_annotations(tmp_path: Path, report: Report) -> None:
    run, summary = unpack("grub-rescue", tmp_path), tmp_path / "summary.md"
    at_github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    done = report(run, "--html", tmp_path / "report.html", **at_github)
    assert done.stdout.startswith("::error title=grub-rescue%3A fail%2C bootloader")
    assert "grub-rescue" in summary.read_text()
    done = report(run, "--json", "-", **at_github)
    assert json.loads(done.stdout)["tried"][0]["name"] == "grub-rescue"
    assert done.stderr.startswith("::error title=")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["none"], "none: is neither the folder of a run nor that of a matrix."),
        (["RUN", "--html", "-", "--json", "-"], "report: only one FILE can be stdout (-)."),
        (["RUN", "--html", "none/a.html"], "none/a.html: cannot be written: No such file or "),
    ],
)
def test_contradictory_options_are_refused(
    tmp_path: Path, report: Report, words: list[str], sentence: str
) -> None:
    run = unpack("grub-rescue", tmp_path)
    done = report(*(str(run) if word == "RUN" else word for word in words))
    assert done.returncode == 2
    assert done.stderr.startswith(f"harness: {sentence}")
    assert len(done.stderr.splitlines()) == 1

"""``-v``, ``-vv`` and ``HARNESS_LOG``: what is done, on stderr."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.program import harness
from tests.server import serving

pytestmark = pytest.mark.programs


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "notes.txt"
    path.write_text("no image at all\n")
    return path


@pytest.mark.parametrize("words", [("-v", "check"), ("check", "-v")])
def test_verbose_option_works_before_and_after_the_command(
    image: Path, words: tuple[str, ...]
) -> None:
    done = harness(*words, image)
    assert done.returncode == 1
    assert f"INFO    harness.examine.image_report: {image} does not pass" in done.stderr
    assert "DEBUG" not in done.stderr


@pytest.mark.parametrize("words", [("-vv", "check"), ("-v", "check", "-v"), ("check", "-vv")])
def test_verbose_twice_shows_debug_lines(image: Path, words: tuple[str, ...]) -> None:
    assert "DEBUG   harness.cli.main: harness " in harness("-vv", *words, image).stderr


def test_environment_variable_shows_the_log(image: Path) -> None:
    assert "INFO" in harness("check", image, env={"HARNESS_LOG": "info"}).stderr
    done = harness("check", image, env={"HARNESS_LOG": "loud"})
    assert done.returncode == 2
    assert "HARNESS_LOG=loud: is no level" in done.stderr


def test_log_is_silent_by_default_and_off_stdout(image: Path) -> None:
    assert harness("check", image).stderr == ""
    done = harness("check", "-vv", "--json", image)
    assert json.loads(done.stdout)["outcome"] == "fail"


def test_every_command_has_the_verbose_option() -> None:
    for command in ("check", "console", "doctor", "matrix", "providers", "replay", "verify"):
        assert "-v, --verbose" in harness(command, "--help").stdout


def test_a_link_is_logged_without_its_password(tmp_path: Path) -> None:
    with serving({"x.iso": b"no image"}) as server:
        url = server.url("x.iso").replace("://", "://me:hidden@") + "?sig=hidden"
        done = harness("-vv", "check", url, "--run-dir", tmp_path / "run")
    assert "harness.net.http: GET" in done.stderr
    assert "hidden" not in done.stderr
    assert "hidden" not in (tmp_path / "run" / "harness.log").read_text()

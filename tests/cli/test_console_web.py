"""The options of the command, as a person types them."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import harness
from tests.program import HARNESS

pytestmark = pytest.mark.programs


def console(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [HARNESS, "console", "no-such-image", *words],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        check=False,
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--web", "--web-bind", "0.0.0.0"], "means every address"),
        (["--web", "--web-bind", "localhost"], "is no address"),
        (["--web-bind", "127.0.0.1"], "is for --web"),
        (["--web"], "no-such-image"),
    ],
)
def test_impossible_option_is_one_sentence(words: list[str], said: str) -> None:
    done = console(*words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_missing_bundle_names_the_command_to_build_it(tmp_path: Path) -> None:
    package = Path(harness.__file__).parent
    left_out = shutil.ignore_patterns("bundle", "node_modules", "__pycache__")
    shutil.copytree(package, tmp_path / "harness", ignore=left_out)
    done = console("--web", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "run make setup" in done.stderr

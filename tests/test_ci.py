"""The files for CI: valid for those who read them, and with commands that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from harness.cli.main import cli
from harness.matrix.catalog import load_catalogs

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[1]
FILES = {
    ROOT / "docs" / "ci" / "github-nightly.yml": "vendor.github-workflows",
    ROOT / "docs" / "ci" / "gitlab-nightly.yml": "vendor.gitlab-ci",
}
PATHS = pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)


def scripts(path: Path) -> list[str]:
    """Return the scripts of the jobs: one text for a step, or a job's lines."""

    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, list):
            for value in node:
                yield from walk(value)
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in ("run", "script", "before_script"):
                    yield value if isinstance(value, str) else "\n".join(value)
                else:
                    yield from walk(value)

    found = list(walk(yaml.safe_load(path.read_text(encoding="utf-8"))))
    assert found
    return found


def check(path: Path, schema: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(path)]
    return subprocess.run(words, capture_output=True, text=True, check=False)


@PATHS
def test_file_is_valid_by_its_schema(path: Path) -> None:
    done = check(path, FILES[path])
    assert done.returncode == 0, done.stdout


@PATHS
def test_schema_rejects_an_invalid_file(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    wrong = tmp_path / path.name
    wrong.write_text(re.sub(r"(?m)^( *)(timeout-minutes|parallel): .*$", r"\1\2: [often]", text))
    assert wrong.read_text() != text
    assert check(wrong, FILES[path]).returncode == 1


@PATHS
def test_scripts_are_valid_shell(path: Path) -> None:
    for script in scripts(path):
        plain = re.sub(r"\$\{\{.*?\}\}", "1", script)
        done = subprocess.run(
            ["bash", "-n"], input=plain, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@PATHS
def test_commands_have_the_options_they_use(path: Path) -> None:
    commands = re.findall(
        r"harness (matrix|report|doctor)((?:[^\n]|\\\n)*)", "\n".join(scripts(path))
    )
    assert {name for name, _ in commands} == {"matrix", "report", "doctor"}
    for name, rest in commands:
        known = CliRunner().invoke(cli, [name, "--help"]).output
        for option in re.findall(r"(?<![\w-])--?[a-z][a-z-]*", rest):
            assert option in known, f"harness {name} {option}"


@PATHS
def test_files_that_are_used_exist(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    named = re.search(r"CATALOG: (\S+)", text)
    assert named
    tags = {tag for row in load_catalogs([ROOT / named[1]]) for tag in row.entry.tags}
    assert set(re.findall(r"!?tag:([a-z]+)", text)) <= tags

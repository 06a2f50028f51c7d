"""The pages about Python and pytest name only what exists."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import re
from pathlib import Path

import pytest

import harness
from harness.matrix.catalog import load_catalogs
from harness.session import GuestAddress, LiveMachine, Serial, open_machine

ROOT = Path(__file__).parents[1]
PYTHON = (ROOT / "docs/python.md").read_text(encoding="utf-8")
PYTEST = (ROOT / "docs/pytest.md").read_text(encoding="utf-8")

# What a name of the page stands for; the attributes that objects get when they are made.
_KINDS: dict[str, type] = {"machine": LiveMachine, "serial": Serial, "network": GuestAddress}
_OWN = {"machine": {"network", "run_dir", "serial"}}


def code_blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.+?)^```", page, re.MULTILINE | re.DOTALL)


def _exists(words: list[str]) -> bool:
    """Tell whether a path such as ``machine.serial.text`` exists, given its names."""
    return all(
        name in _OWN.get(owner, set()) or hasattr(_KINDS[owner], name)
        for owner, name in itertools.pairwise(words)
        if owner in _KINDS
    )


@pytest.mark.parametrize("page", [PYTHON, PYTEST], ids=["python.md", "pytest.md"])
def test_the_code_of_a_page_compiles_and_imports_what_exists(page: str) -> None:
    assert code_blocks(page)
    for block in code_blocks(page):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Import):
                for row in node.names:
                    importlib.import_module(row.name)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bharness(?:\.\w+)+", PYTHON + PYTEST))))
def test_every_name_of_the_package_exists(name: str) -> None:
    words = name.split(".")
    if len(words) == 2:
        assert hasattr(harness, words[1])
        return
    assert hasattr(importlib.import_module(".".join(words[:-1])), words[-1])


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\bmachine(?:\.\w+)+", PYTHON))))
def test_every_attribute_of_a_machine_exists(name: str) -> None:
    assert _exists(name.split("."))


def test_calls_are_written_as_they_are_declared() -> None:
    calls = re.findall(r"^\| `(machine[.\w]*)\((.*?)\)`", PYTHON, re.MULTILINE)
    assert len(calls) >= 6
    for name, said in calls:
        owner, method = name.split(".")[-2:]
        declared = inspect.signature(getattr(_KINDS[owner], method)).parameters.values()
        # The page has 60 for 60.0, and the word regex for what a pattern is.
        names = [row.partition("=")[0].strip("* ") for row in said.split(",") if row.strip()]
        expected = [row.name for row in declared if row.name != "self"]
        assert len(names) == len(expected), name
        assert set(names) - {"regex"} <= set(expected), name


def test_open_is_written_as_it_is_declared() -> None:
    (said,) = re.findall(r"^    harness\.open\((.*)\)$", PYTHON, re.MULTILINE)
    declared = inspect.signature(open_machine).parameters.values()
    rows = [
        row.name if row.default is row.empty else f"{row.name}={row.default!r}" for row in declared
    ]
    assert said.replace('"', "'") == ", ".join(rows)


def test_the_options_of_the_plugin_are_there(pytestconfig: pytest.Config) -> None:
    for name in re.findall(r"--harness-[\w-]+", PYTEST):
        pytestconfig.getoption(name)
    assert "harness_catalogs" in PYTEST
    pytestconfig.getini("harness_catalogs")


def test_the_images_that_the_page_names_are_in_a_catalog() -> None:
    named = re.findall(r"(images/catalog/\S+\.toml)::(\S+)", PYTEST)
    assert named
    for catalog, name in named:
        assert name in {row.entry.name for row in load_catalogs([ROOT / catalog])}


@pytest.mark.parametrize("page", ["python.md", "pytest.md"])
def test_links_lead_to_a_heading(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for target, anchor in re.findall(r"\]\(([\w-]+\.md)(?:#([\w-]+))?\)", text):
        headings = re.findall(r"^#+ (.+)$", (ROOT / "docs" / target).read_text(), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", row.lower()).replace(" ", "-") for row in headings}
        assert not anchor or anchor in slugs, f"{target}#{anchor}"

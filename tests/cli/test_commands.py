"""A command reads its options, asks a room, and prints: it composes and decides nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import cli

FOLDER = Path(cli.__file__).parent
NO_COMMANDS = {"__init__", "main", "options", "ending", "invocation"}
COMMANDS = sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NO_COMMANDS)

ROOMS = {"cli", "console", "errors", "matrix", "model", "report", "session", "trial"}
"""What a command may import of harness: the rooms that compose, and the words of all."""
EXCEPTIONS = {
    ("check", "harness.provider.profile"): "the type of the argument that with_profile gives",
    ("console", "harness.provider.profile"): "the type of the argument that with_profile gives",
    ("doctor", "harness.machine.doctor"): "the host is examined apart from any trial",
    ("providers", "harness.provider.profile"): "profiles are shown as they are, without a trial",
}
MAX_BODY_LINES = 60


def syntax_of(command: str) -> ast.Module:
    return ast.parse((FOLDER / f"{command}.py").read_text(encoding="utf-8"))


def imported_modules(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        if isinstance(node, ast.Import):
            yield from (row.name for row in node.names)


def not_of_the_rooms(command: str) -> set[tuple[str, str]]:
    modules = {name for name in imported_modules(syntax_of(command)) if name.startswith("harness.")}
    return {(command, name) for name in modules if name.split(".")[1] not in ROOMS}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_asks_the_rooms_that_compose(command: str) -> None:
    assert not_of_the_rooms(command) <= EXCEPTIONS.keys()


def test_no_exception_is_stale() -> None:
    used = {row for command in COMMANDS for row in not_of_the_rooms(command)}
    assert EXCEPTIONS.keys() <= used


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_decides_no_outcome(command: str) -> None:
    compared = [
        ast.unparse(node)
        for node in ast.walk(syntax_of(command))
        if isinstance(node, (ast.Compare, ast.Match))
        and any(isinstance(row, ast.Attribute) and row.attr == "outcome" for row in ast.walk(node))
    ]
    assert not compared


@pytest.mark.parametrize("command", COMMANDS)
def test_the_body_of_a_command_fits_a_screen(command: str) -> None:
    """Decorators, parameters and the docstring are its help, and are not counted."""
    functions = [node for node in syntax_of(command).body if isinstance(node, ast.FunctionDef)]
    (function,) = [node for node in functions if node.name == command]
    body = function.body[1:] if ast.get_docstring(function) else function.body
    assert body[-1].end_lineno
    assert body[-1].end_lineno - body[0].lineno + 1 <= MAX_BODY_LINES

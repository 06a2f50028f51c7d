"""Imports point one way: a room may use those above it in this list, and its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent

RANKS: tuple[tuple[str, ...], ...] = (
    ("errors", "model"),
    ("evidence", "host"),
    ("screen", "image", "net", "provider"),
    ("checks", "seed"),
    ("machine", "observe", "diagnose"),
    ("examine", "installer", "trial"),
    ("session", "matrix"),
    ("report", "console", "cli", "pytest_plugin", "__main__"),
)
"""A room may import those of the ranks above it, and those to its left in its own."""
PLACE = {room: place for place, room in enumerate(room for rank in RANKS for room in rank)}
# Siblings that must not know each other, though one stands to the left.
APART = {
    ("image", "screen"),
    ("diagnose", "machine"),
    ("diagnose", "observe"),
    ("matrix", "session"),
}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("harness."):
            rooms.add(node.module.split(".")[1])
        if isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("harness.")}
    return rooms


@pytest.mark.parametrize(
    "path", sorted(ROOT.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_point_one_way(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        assert imported_rooms(path) == {"session"}, "what harness.open is"
        return
    assert room in PLACE, f"{room} is a new room: give it a place in this list"
    others = imported_rooms(path) - {room}
    assert not {other for other in others if PLACE[other] > PLACE[room]}
    assert not {other for other in others if (room, other) in APART}


@pytest.mark.parametrize("module", ["harness", "harness.pytest_plugin"])
def test_what_everybody_imports_is_light(module: str) -> None:
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("harness.")}
    assert loaded <= {module}
    assert {"pydantic", "qemu.qmp", "rich", "asyncssh"}.isdisjoint(done.stdout.split())

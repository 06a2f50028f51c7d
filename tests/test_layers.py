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


MAX_TOP_MODULES = 10
"""What stands beside the rooms: what all import, and the doors of the package."""

NOT_IMPORTED = {
    "diagnose": {"asyncio", "harness.machine", "harness.observe"},
    "image": {"aiohttp", "http", "socket", "urllib", "harness.net"},
}
"""Modules that no file of a room imports: a verdict waits for nothing, and bytes are facts."""


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


def imported_modules(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{row.name}" for row in node.names)}
        if isinstance(node, ast.Import):
            names |= {row.name for row in node.names}
    return names


@pytest.mark.parametrize("room", NOT_IMPORTED)
def test_room_does_not_import_what_it_must_not_know(room: str) -> None:
    for path in (ROOT / room).rglob("*.py"):
        names = imported_modules(path)
        found = {
            name
            for name in names
            for outside in NOT_IMPORTED[room]
            if name == outside or name.startswith(f"{outside}.")
        }
        assert not found, path


def test_the_rooms_are_those_of_the_list_and_few_modules_stand_beside_them() -> None:
    modules = {path.stem for path in ROOT.glob("*.py")}
    rooms = {path.name for path in ROOT.iterdir() if any(path.glob("*.py"))}
    assert rooms | modules - {"__init__"} == PLACE.keys()
    assert len(modules) <= MAX_TOP_MODULES


@pytest.mark.parametrize("module", ["harness", "harness.pytest_plugin"])
def test_package_and_plugin_import_little(module: str) -> None:
    code = f"import {module}, sys; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("harness.")}
    assert loaded <= {module}
    assert {"pydantic", "qemu.qmp", "rich", "asyncssh"}.isdisjoint(done.stdout.split())

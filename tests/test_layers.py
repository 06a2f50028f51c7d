"""Imports point one way: a room may use those above it in this list, and its own."""

import ast
from pathlib import Path

import pytest

import harness

ROOT = Path(harness.__file__).parent

LAYERS = [
    {"errors", "guest_text", "guest_network"},
    {"data_disc", "evidence", "newc", "programs"},
    {"limited"},
    {"image", "provider", "screen", "seed"},
    {"answers", "checks"},
    {"machine"},
    {"observe"},
    {"diagnose"},
    {"result"},
    {"console_log"},
    {"inspection"},
    {"windows_setup"},
    {"examine", "explain", "installation"},
    {"case"},
    {"boot"},
    {"run", "doctor"},
    {"matrix"},
    {"report"},
    {"matrix_command"},
    {"cli"},
    {"__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


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
        assert imported_rooms(path) == set()
        return
    assert room in RANK, f"{room} is a new room: give it a place in this list"
    too_low = {
        other for other in imported_rooms(path) if other != room and RANK[other] >= RANK[room]
    }
    assert not too_low

"""Runs that were recorded, and one of a guest that means harm."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.log import SCHEMA, Observation, read_evidence
from tests.recordings import HOSTILE, TESTS, recorded


@pytest.fixture
def panic_run(tmp_path: Path) -> Path:
    return recorded(TESTS / "gallery/panic-after-root.evidence.jsonl.xz", tmp_path / "panic")


@pytest.fixture
def start(panic_run: Path) -> list[Observation]:
    """What comes before the first line of a guest."""
    rows = []
    for observation in read_evidence(panic_run / "evidence.jsonl"):
        rows.append(observation)
        if (observation.channel, observation.kind) == ("machine", "power-on"):
            return rows
    raise AssertionError


@pytest.fixture
def write_run(tmp_path: Path, start: list[Observation]) -> Callable[..., Path]:
    """A run with these observations after its start, and this raw log."""

    def write(rows: list[tuple[float, str, str, dict[str, Any]]], serial: bytes) -> Path:
        folder = tmp_path / "written"
        folder.mkdir()
        lines = [row.to_json() for row in [*start, *(Observation(*row) for row in rows)]]
        text = "\n".join([json.dumps({"schema": SCHEMA}), *lines]) + "\n"
        (folder / "evidence.jsonl").write_text(text)
        (folder / "serial.log").write_bytes(serial)
        return folder

    return write


@pytest.fixture
def hostile_run(write_run: Callable[..., Path]) -> Path:
    text = HOSTILE.decode("utf-8", "replace")
    rows = [
        (1.0, "serial", "line", {"text": text, "offset": 0}),
        (1.1, "screen", "text", {"lines": [text], "how": "ocr", "share": 1, "background": "#000"}),
        (1.2, "qmp", "event", {"name": "GUEST_PANICKED", "detail": {"said": text}}),
        (1.3, "network", "frame", {"what": "udp", "mac": "", "source": text, "target": "x"}),
        (2.0, "serial", "line", {"text": "the end", "offset": len(HOSTILE)}),
    ]
    return write_run(rows, HOSTILE + b"the end\r\n")

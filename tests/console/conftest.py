"""Runs that were recorded, and one of a guest that means harm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import events
from harness.evidence.codec import Observation, encode, header
from harness.evidence.log import read_evidence
from tests.recordings import HOSTILE, TESTS, recorded


@pytest.fixture
def panic_run(tmp_path: Path) -> Path:
    return recorded(TESTS / "gallery/panic-after-root.evidence.jsonl.xz", tmp_path / "panic")


@pytest.fixture
def start(panic_run: Path) -> list[Observation]:
    """Return the events before the first line of a guest."""
    rows = []
    for observation in read_evidence(panic_run / "evidence.jsonl"):
        rows.append(observation)
        if isinstance(observation.event, events.PowerOn):
            return rows
    raise AssertionError


@pytest.fixture
def write_run(tmp_path: Path, start: list[Observation]) -> Callable[..., Path]:
    """A run with these observations after its start, and this raw log."""

    def write(rows: list[tuple[float, events.Event]], serial: bytes) -> Path:
        folder = tmp_path / "written"
        folder.mkdir()
        lines = [encode(row) for row in [*start, *(Observation(*row) for row in rows)]]
        text = "\n".join([header(), *lines]) + "\n"
        (folder / "evidence.jsonl").write_text(text)
        (folder / "serial.log").write_bytes(serial)
        return folder

    return write


@pytest.fixture
def hostile_run(write_run: Callable[..., Path]) -> Path:
    text = HOSTILE.decode("utf-8", "replace")
    rows = [
        (1.0, events.SerialLine(text, 0)),
        (1.1, events.ScreenText((text,), "#000", "ocr")),
        (1.2, events.QmpEvent("GUEST_PANICKED", {"said": text})),
        (1.3, events.Frame("udp", "", text, "x")),
        (2.0, events.SerialLine("the end", len(HOSTILE))),
    ]
    return write_run(rows, HOSTILE + b"the end\r\n")

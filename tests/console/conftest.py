"""Runs that were recorded, and one of a guest that means harm."""

from __future__ import annotations

import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.evidence.log import SCHEMA, Observation, read_evidence

TESTS = Path(__file__).parents[1]
RECORDINGS = sorted([*TESTS.glob("gallery/*.xz"), *TESTS.glob("trial/isos/*.xz")])

HOSTILE = (
    b"\x1b]0;pwned title\x07\x1b]52;c;cHduZWQ=\x07\x1b]52;c;cHduZWQ=\x1b\\"
    b"\x1bP1$qpwned\x1b\\\x1b_Gpwned\x1b\\\x1b[5nred \x1b[31malert\x1b[0m "
    b"\xff\xfe\xc2\x9b31m\xe2\x80\xae\x1b[?1049h\x1b[>1;2;3;4q\x1b[?3h\x1b[=1;2c\r\n"
    b"[/] [bold]no markup[/bold]\r\n"
)
"""A title, a clipboard, strings of a control, a question, an alternate screen, 132 columns,
sequences that no parser knows, no UTF-8, a C1 control, a mark that turns the order."""


def recorded(path: Path, folder: Path) -> Path:
    """The recording as the folder of a run."""
    folder.mkdir(exist_ok=True)
    (folder / "evidence.jsonl").write_bytes(lzma.decompress(path.read_bytes()))
    return folder


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

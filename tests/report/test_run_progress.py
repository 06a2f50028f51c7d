"""The lines that are printed during a run without an interactive terminal."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from harness.diagnose.diagnosis import diagnose_each
from harness.evidence import events
from harness.evidence.events import Event
from harness.evidence.log import Observation
from harness.report.run_progress import RunProgress
from tests.evidence.samples import run_start


def shown(*rows: tuple[float, Event]) -> str:
    console = Console(file=io.StringIO(), width=100)
    with RunProgress(console) as progress:
        for row in diagnose_each(Observation(*row) for row in rows):
            progress(*row)
    return console.file.getvalue()  # type: ignore[attr-defined]


def start(**more: Any) -> tuple[float, Event]:
    return 0.0, run_start(medium="iso", **more)


def test_answer_to_a_prompt_is_printed() -> None:
    key = events.PromptAnswer("isolinux.menu", "screen", ("ret",))
    text = shown(start(), (0.1, events.PowerOn()), (8.4, key))
    assert text.splitlines() == ["    0.1 s  power-on", "    8.4 s  answered isolinux.menu"]


def test_display_starts_again_for_each_part() -> None:
    on = (0.1, events.PowerOn())
    text = shown(start(), on, start(part="installing, with answers for \x1b[31mDebian"), on)
    assert text.count("power-on") == 2
    assert "installing, with answers for" in text
    assert "\x1b" not in text


def test_written_bytes_and_frames_are_shown() -> None:
    progress = RunProgress(Console(file=io.StringIO(), width=100))
    rows = (
        start(part="installing"),
        (5.0, events.DiskWrites(123_400_000)),
        (6.0, events.FrameCount(45)),
        (7.0, events.SerialLine("Installing the base system", 0)),
    )
    for row in diagnose_each(Observation(*row) for row in rows):
        progress(*row)
    console = Console(file=io.StringIO(), width=100)
    console.print(progress.render())
    line = console.file.getvalue()  # type: ignore[attr-defined]
    assert "123.4 MB written  45 frames  Installing the base system" in line

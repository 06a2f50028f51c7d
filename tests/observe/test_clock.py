"""The clock: steps of silence, and what is a sign of life. Far below 1, slowness makes it fast."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import EvidenceLog, Observation
from harness.observe.clock import QUIET_STEPS_S, Clock

_FAST = 0.002


def record(
    path: Path,
    during: Callable[[EvidenceLog], None] = lambda _: None,
    quiet_s: float | None = None,
    total_s: float | None = None,
) -> list[Observation]:
    """What the clock records of a run in which ``during`` happens again and again."""
    rows: list[Observation] = []

    async def run() -> None:
        with EvidenceLog(path / "evidence.jsonl") as log:
            clock = Clock(log, _FAST, quiet_s, total_s)
            log.subscribe(rows.append)
            log.power_on()
            log.record("machine", "power-on")
            running = asyncio.create_task(clock.run())
            while not running.done():
                await asyncio.sleep(QUIET_STEPS_S[0] * _FAST / 4)
                during(log)

    asyncio.run(run())
    return [row for row in rows if row.channel == "clock"]


def test_silence_is_recorded_step_by_step(tmp_path: Path) -> None:
    rows = record(tmp_path)
    assert len(rows) == len(QUIET_STEPS_S)
    assert [row.data["last"] for row in rows] == [False] * (len(rows) - 1) + [True]
    for row, step_s in zip(rows, QUIET_STEPS_S, strict=True):
        assert row.data["reference_s"] >= step_s - 0.01


def test_a_limit_that_was_given_is_the_only_step(tmp_path: Path) -> None:
    (row,) = record(tmp_path, quiet_s=0.05)
    assert row.data["last"]


def test_a_guest_that_gets_on_runs_into_the_end_of_the_time(tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))

    def speak(log: EvidenceLog) -> None:
        log.record("disk", "reads", read_bytes=next(numbers))

    rows = record(tmp_path, speak, total_s=0.3)
    assert rows[-1].kind == "time-over"
    assert not [row for row in rows if row.data.get("last")]


@pytest.mark.parametrize(
    "text",
    ["[ **   ] Job dev-sda.device/start running ({}s / no limit)", "retry {} of 100", "| {}"],
)
def test_a_line_that_only_counts_is_no_sign_of_life(tmp_path: Path, text: str) -> None:
    numbers = iter(range(1_000_000))

    def speak(log: EvidenceLog) -> None:
        for _ in range(100):  # more than the lines that are remembered
            log.record("serial", "line", text=text.format(next(numbers)), offset=0)

    assert record(tmp_path, speak, total_s=3.0)[-1].data["last"]


def test_a_processor_that_goes_to_and_fro_is_no_sign_of_life(tmp_path: Path) -> None:
    modes = iter(["real", "protected"] * 1_000_000)

    def switch(log: EvidenceLog) -> None:
        log.record("cpu", "mode", mode=next(modes))

    assert record(tmp_path, switch, total_s=3.0)[-1].data["last"]


def test_new_lines_are_signs_of_life(tmp_path: Path) -> None:
    words = iter(
        f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)}" for i in range(17576)
    )

    def speak(log: EvidenceLog) -> None:
        log.record("serial", "line", text=f"unit {next(words)} started", offset=0)

    assert record(tmp_path, speak, total_s=0.3)[-1].kind == "time-over"


def test_what_a_second_boot_says_again_is_a_sign_of_life(tmp_path: Path) -> None:
    def boot_again(log: EvidenceLog) -> None:
        log.record("serial", "line", text="Linux version 6.1.0", offset=0)
        log.record("qmp", "event", name="RESET", detail={"guest": True})

    rows = record(tmp_path, boot_again, total_s=0.3)
    assert rows[-1].kind == "time-over"

"""The clock: steps of silence, and what is a sign of life, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.evidence import events
from harness.evidence.log import EvidenceLog, Observation
from harness.observe.clock import QUIET_STEPS_S, TOTAL_S, Clock, IsoUse
from tests.virtual_time import run_in_virtual_time, virtual_now_s


def record(
    path: Path,
    during: Callable[[EvidenceLog], None] = lambda _: None,
    quiet_s: float | None = None,
    total_s: float | None = None,
    *,
    iso: IsoUse | None = None,
    slowness: float = 1.0,
    at_sample: Callable[[EvidenceLog], None] = lambda _: None,
    delay_s: float = 0.0,
    sample_s: float = 0.0,
) -> list[Observation]:
    """What the clock records of a run in which ``during`` happens every 1.25 seconds."""
    rows: list[Observation] = []

    async def run() -> None:
        with EvidenceLog(path / "evidence.jsonl", virtual_now_s) as log:
            clock = Clock(log, slowness, quiet_s, total_s, iso=iso)
            log.subscribe(rows.append)

            async def sample() -> None:
                at_sample(log)
                if sample_s:
                    await asyncio.sleep(sample_s)
                    clock.delay(sample_s / 2)

            log.power_on()
            log.record(events.PowerOn())
            running = asyncio.create_task(clock.run(sample))
            while not running.done():
                await asyncio.sleep(QUIET_STEPS_S[0] / 4)
                during(log)
                clock.delay(delay_s)

    run_in_virtual_time(run())
    return [row for row in rows if row.event.channel == "clock"]


def screen(*lines: str) -> events.ScreenText:
    return events.ScreenText(lines, "#000000", "vga-text")


def test_silence_is_recorded_step_by_step(tmp_path: Path) -> None:
    rows = record(tmp_path)
    assert len(rows) == len(QUIET_STEPS_S)
    assert [row.event.last for row in rows] == [False] * (len(rows) - 1) + [True]
    assert [row.event.reference_s for row in rows] == list(QUIET_STEPS_S)
    assert [row.t_s for row in rows] == list(QUIET_STEPS_S)


def test_a_slow_host_has_all_steps_stretched(tmp_path: Path) -> None:
    rows = record(tmp_path, slowness=3.0)
    assert [row.t_s for row in rows] == [3 * step_s for step_s in QUIET_STEPS_S]
    assert [row.event.reference_s for row in rows] == list(QUIET_STEPS_S)


def test_what_was_not_sampled_yet_is_no_silence(tmp_path: Path) -> None:
    reads = [4096]

    def sample(log: EvidenceLog) -> None:
        if reads:
            log.record(events.DiskReads(read_bytes=reads.pop()))

    (row,) = record(tmp_path, quiet_s=20, at_sample=sample)
    assert (row.event.last, row.t_s) == (True, 40)


def test_the_end_of_the_time_is_judged_by_a_sample_of_that_moment(tmp_path: Path) -> None:
    numbers = iter(range(1, 1_000_000))

    def sample(log: EvidenceLog) -> None:
        log.record(events.DiskReads(read_bytes=next(numbers)))

    (row,) = record(tmp_path, total_s=50, quiet_s=20, at_sample=sample)
    assert row.event.kind == "time-over"
    assert '"reads"' in (tmp_path / "evidence.jsonl").read_text().splitlines()[-2]


def test_a_limit_that_was_given_is_the_only_step(tmp_path: Path) -> None:
    (row,) = record(tmp_path, quiet_s=20)
    assert (row.event.last, row.t_s) == (True, 20)


def test_a_guest_that_gets_on_runs_into_the_end_of_the_time(tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))

    def speak(log: EvidenceLog) -> None:
        log.record(events.DiskReads(read_bytes=next(numbers)))

    rows = record(tmp_path, speak, total_s=300)
    assert rows[-1].event.kind == "time-over"
    assert not [row for row in rows if getattr(row.event, "last", False)]


@pytest.mark.parametrize(
    "text",
    ["[ **   ] Job dev-sda.device/start running ({}s / no limit)", "retry {} of 100", "| {}"],
)
def test_a_line_that_only_counts_is_no_sign_of_life(tmp_path: Path, text: str) -> None:
    numbers = iter(range(1_000_000))

    def speak(log: EvidenceLog) -> None:
        for _ in range(100):  # more than the lines that are remembered
            log.record(events.SerialLine(text=text.format(next(numbers)), offset=0))

    assert record(tmp_path, speak, total_s=300)[-1].event.last


def test_a_processor_that_goes_to_and_fro_is_no_sign_of_life(tmp_path: Path) -> None:
    modes = iter(["real", "protected"] * 1_000_000)

    def switch(log: EvidenceLog) -> None:
        log.record(events.CpuModeChange(mode=next(modes)))

    assert record(tmp_path, switch, total_s=300)[-1].event.last


def test_new_lines_are_signs_of_life(tmp_path: Path) -> None:
    words = iter(
        f"{chr(97 + i % 26)}{chr(97 + i // 26 % 26)}{chr(97 + i // 676 % 26)}" for i in range(17576)
    )

    def speak(log: EvidenceLog) -> None:
        log.record(events.SerialLine(text=f"unit {next(words)} started", offset=0))

    assert record(tmp_path, speak, total_s=300)[-1].event.kind == "time-over"


def test_what_a_second_boot_says_again_is_a_sign_of_life(tmp_path: Path) -> None:
    def boot_again(log: EvidenceLog) -> None:
        log.record(events.SerialLine(text="Linux version 6.1.0", offset=0))
        log.record(events.QmpEvent(name="RESET", detail={"guest": True}))

    rows = record(tmp_path, boot_again, total_s=300)
    assert rows[-1].event.kind == "time-over"


def test_a_screen_that_only_counts_is_no_sign_of_life(tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))

    def count(log: EvidenceLog) -> None:
        lines = ["Memtest86+ v6.10", f"Pass {next(numbers)}% " + "#" * (next(numbers) % 9)]
        log.record(screen(*lines))

    assert record(tmp_path, count)[-1].event.last


@pytest.mark.parametrize("channel", ["serial", "screen"])
def test_a_menu_that_counts_down_moves(tmp_path: Path, channel: str) -> None:
    numbers = iter(range(1_000_000))

    def count_down(log: EvidenceLog) -> None:
        text = f"The highlighted entry will be executed automatically in {next(numbers)}s."
        log.record(screen(text) if channel == "screen" else events.SerialLine(text, 0))

    rows = record(tmp_path, count_down, total_s=500)
    assert rows[-1].event.kind == "time-over"


@pytest.mark.parametrize(
    ("iso", "last"),
    [("installer", "time-over"), ("installing", "time-over"), ("tool", "quiet"), (None, "quiet")],
)
def test_work_of_the_processor_is_a_sign_of_an_installer(
    tmp_path: Path, iso: IsoUse | None, last: str
) -> None:
    def work(log: EvidenceLog) -> None:
        log.record(events.CpuWork(share=0.97))

    # Far below the 300 s for which it is one, and above the last step of silence.
    rows = record(tmp_path, work, total_s=200, iso=iso)
    assert rows[-1].event.kind == last


def test_what_an_installation_writes_is_a_sign_of_life(tmp_path: Path) -> None:
    numbers = iter(range(1_000_000))

    def write(log: EvidenceLog) -> None:
        log.record(events.DiskWrites(written_bytes=next(numbers)))

    assert record(tmp_path, write, total_s=500)[-1].event.kind == "quiet"
    (tmp_path / "again").mkdir()
    rows = record(tmp_path / "again", write, total_s=500, iso="installing")
    assert rows[-1].event.kind == "time-over"


def test_a_limit_that_was_given_leaves_time_to_answer_the_questions_of_an_iso(
    tmp_path: Path,
) -> None:
    rows = record(tmp_path, quiet_s=100, iso="installer")
    assert [(row.event.kind, row.t_s) for row in rows] == [
        ("pause", QUIET_STEPS_S[0]),
        ("quiet", 100),
    ]


def test_the_time_of_a_frozen_machine_stands_still(tmp_path: Path) -> None:
    ticks = iter(range(1_000_000))
    resumed_s: list[float] = []

    def freeze_and_go_on(log: EvidenceLog) -> None:
        tick = next(ticks)
        if tick == 0:
            log.record(events.QmpEvent(name="STOP", detail={}))
        elif tick == 100:
            row = log.record(events.QmpEvent(name="RESUME", detail={}))
            resumed_s.append(row.t_s)

    (row,) = record(tmp_path, freeze_and_go_on, quiet_s=20)
    assert row.event.last
    assert row.t_s == resumed_s[0] + 20
    assert row.event.quiet_s == 20


def test_a_machine_that_its_guest_switched_off_is_silent_for_good(tmp_path: Path) -> None:
    names = iter(("SHUTDOWN", "STOP"))

    def switch_off(log: EvidenceLog) -> None:
        if name := next(names, None):
            log.record(events.QmpEvent(name=name, detail={"guest": True}))

    (row,) = record(tmp_path, switch_off, quiet_s=20)
    assert row.event.last


def test_seconds_that_the_host_took_are_no_silence(tmp_path: Path) -> None:
    (row,) = record(tmp_path, quiet_s=20, delay_s=QUIET_STEPS_S[0] / 8)
    assert row.event.last
    assert row.t_s == pytest.approx(40, abs=2 * QUIET_STEPS_S[0])
    assert row.event.quiet_s == pytest.approx(20, abs=QUIET_STEPS_S[0])


def test_a_machine_that_the_host_keeps_from_running_is_never_silent(tmp_path: Path) -> None:
    rows = record(tmp_path, quiet_s=20, total_s=300, delay_s=QUIET_STEPS_S[0] / 4)
    assert [row.event.kind for row in rows] == ["time-over"]
    assert rows[0].t_s == 300, "a limit that the user gave is of wall time"


def test_a_host_that_delays_every_sample_does_not_put_the_end_off_for_ever(tmp_path: Path) -> None:
    samples: list[None] = []
    (row,) = record(tmp_path, quiet_s=20, sample_s=0.04, at_sample=lambda _: samples.append(None))
    assert row.event.last
    assert row.t_s == pytest.approx(20, abs=1)
    assert len(samples) < 5


def test_a_sample_that_never_comes_does_not_outlast_the_time_limit(tmp_path: Path) -> None:
    (row,) = record(tmp_path, quiet_s=20, total_s=60, sample_s=10_000)
    assert row.event.kind == "time-over"
    assert row.t_s == pytest.approx(60, abs=6)


def test_a_host_that_never_lets_the_guest_run_ends_the_run(tmp_path: Path) -> None:
    rows = record(tmp_path, delay_s=QUIET_STEPS_S[0] / 4)
    assert [row.event.kind for row in rows] == ["time-over"]
    assert rows[0].t_s == pytest.approx(2 * TOTAL_S, abs=6)

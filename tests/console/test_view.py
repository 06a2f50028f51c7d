"""A view shows of every recorded run what its result says."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from harness.console.view import View
from harness.diagnose.diagnosis import diagnose_each
from harness.evidence import events
from harness.evidence.log import Observation, read_evidence
from harness.model.stages import STAGES
from harness.trial.replay import replay
from tests.recordings import RECORDINGS, recorded

CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e]")


def fold(observations: list[Observation]) -> View:
    view = View()
    for observation, diagnosis in diagnose_each(observations):
        view.take(observation, diagnosis)
    return view


def take(view: View, at_s: float, event: events.Event) -> None:
    """Let the machine of ``view`` go on with ``event``."""
    observation = Observation(at_s, event)
    view.diagnosis.feed(observation)
    view.take(observation, view.diagnosis)


def reached(view: View) -> dict[str, float]:
    return {rung.stage: round(rung.at_s, 3) for rung in view.ladder if rung.at_s is not None}


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for item in value.values() for text in strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in strings(item)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_a_recorded_run_is_shown_as_its_result_has_it(path: Path, tmp_path: Path) -> None:
    folder = recorded(path, tmp_path / "run")
    result = replay(folder)
    view = fold(list(read_evidence(folder / "evidence.jsonl")))
    assert view.verdict is not None
    assert (view.verdict.outcome, view.verdict.cause) == (result.outcome, result.cause)
    assert [row.id for row in view.findings[:1]] == ([result.cause] if result.cause else []) or (
        result.cause is None
    )
    timings_s = {name: t_s for name, t_s in result.timings_s.items() if name in STAGES}
    # What came after the verdict is on the ladder, too.
    assert {name: t_s for name, t_s in reached(view).items() if name in timings_s} == timings_s
    snapshot = view.snapshot()
    assert json.loads(json.dumps(snapshot)) == snapshot
    assert not [text for text in strings(snapshot) if CONTROLS.search(text)]


def test_matched_rules_have_line_and_time(panic_run: Path) -> None:
    view = fold(list(read_evidence(panic_run / "evidence.jsonl")))
    panic = next(row for row in view.rules if "finding boot.kernel-panic" in row.proves)
    assert panic.channel == "serial"
    assert "Kernel panic - not syncing" in panic.line
    assert panic.at_s == pytest.approx(22.0, abs=0.2)
    assert [row.at_s for row in view.rules] == sorted(row.at_s for row in view.rules)


def test_the_machine_is_off_running_or_frozen(start: list[Observation]) -> None:
    def event(name: str) -> events.Event:
        return events.QmpEvent(name=name, detail={})

    view = fold(start[:-1])
    seen = [view.state]
    for step in (
        start[-1].event,
        *map(event, ("STOP", "RESUME", "SHUTDOWN", "STOP", "RESET", "RESUME")),
    ):
        take(view, 1.0, step)
        seen.append(view.state)
    assert seen == ["off", "running", "frozen", "running", "off", "off", "off", "running"]
    take(view, 2.0, events.QemuEnd(status=1, stderr=(), oom_kills=0))
    assert view.state == "off"


def test_reset_by_a_person_restarts_the_ladder_and_keeps_the_verdict(panic_run: Path) -> None:
    rows = list(read_evidence(panic_run / "evidence.jsonl"))
    view = fold(rows)
    before = reached(view)
    assert view.stage == "root"
    take(view, 100.0, events.PersonAction("reset", ""))
    assert reached(view) == {"power-on": 0.0}
    for row in rows:
        if row.event.channel in ("serial", "firmware", "cpu", "disk"):
            take(view, 100.0 + row.t_s, row.event)
    assert reached(view) == pytest.approx(before, abs=0.002)
    assert view.verdict
    assert view.verdict.cause == "boot.kernel-panic"
    assert view.log[-1].text == "reset"


def test_another_machine_is_shown_from_its_start(panic_run: Path) -> None:
    rows = list(read_evidence(panic_run / "evidence.jsonl"))
    view = fold(rows)
    changed = replace(rows[0].event, change="UEFI in place of BIOS")
    for observation, diagnosis in diagnose_each([Observation(0.0, changed)]):
        view.take(observation, diagnosis)
    assert view.verdict is None
    assert reached(view) == {}
    assert [(boot.title, boot.cause) for boot in view.boots] == [
        ("", "boot.kernel-panic"),
        ("UEFI in place of BIOS", None),
    ]


def test_guest_text_is_printable_in_every_field(hostile_run: Path) -> None:
    view = fold(list(read_evidence(hostile_run / "evidence.jsonl")))
    texts = strings(view.snapshot())
    assert not [text for text in texts if CONTROLS.search(text)]
    assert [text for text in texts if "no markup" in text], "it is shown all the same"

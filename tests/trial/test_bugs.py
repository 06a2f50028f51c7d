"""A bug during a run: wherever it happens, it ends the run, and the record names it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.judge import Verdict
from harness.errors import InternalError, NoSpaceError
from harness.evidence.events import ChecksEnd
from harness.evidence.log import Observation
from harness.examine.image_report import unexamined_facts
from harness.host.bugs import TRACEBACK_FILE
from harness.provider.profile import load_profile
from harness.trial.loop_faults import reporting_bugs
from harness.trial.observers import _failure_callback
from harness.trial.recorder import Recorder, conclude, open_log
from harness.trial.replay import replay
from harness.trial.request import Case
from harness.trial.result import RESULT_FILE


def _case(folder: Path) -> Case:
    profile = load_profile("contabo")
    return Case(image=unexamined_facts("x.qcow2"), profile=profile, run_dir=folder)


def _raise(*_: object) -> NoReturn:
    raise ZeroDivisionError("a bug that a test put there")


def faults(folder: Path) -> list[str]:
    lines = (folder / "evidence.jsonl").read_text().splitlines()[1:]
    rows = [json.loads(line) for line in lines]
    return [row["finding"] for row in rows if (row["channel"], row["kind"]) == ("host", "fault")]


async def _observe(folder: Path, work: Callable[[Recorder], object]) -> Recorder:
    """The record of a run in which an observer does ``work``."""
    with open_log(folder) as log:
        recorder = Recorder(log)

        async def observe() -> None:
            work(recorder)

        task = asyncio.create_task(observe(), name="sampler")
        task.add_done_callback(_failure_callback(recorder))
        await recorder.decided.wait()
    return recorder


def test_an_observer_with_a_bug_ends_the_run(tmp_path: Path) -> None:
    recorder = asyncio.run(_observe(tmp_path, _raise))
    verdict = recorder.diagnosis.verdict
    assert verdict
    assert (verdict.outcome, verdict.cause) == ("error", "internal.error")
    assert "ZeroDivisionError in harness/" not in verdict.findings[0].statement
    assert str(tmp_path / TRACEBACK_FILE) in verdict.findings[0].statement
    assert "a bug that a test put there" in (tmp_path / TRACEBACK_FILE).read_text()
    assert faults(tmp_path) == ["internal.error"]


def test_an_observer_at_a_full_disk_has_no_bug(tmp_path: Path) -> None:
    def work(_: Recorder) -> None:
        raise OSError(28, "No space left on device")

    recorder = asyncio.run(_observe(tmp_path, work))
    assert recorder.diagnosis.verdict
    assert recorder.diagnosis.verdict.cause == NoSpaceError.finding_id
    assert faults(tmp_path) == ["host.no-space"]
    assert not (tmp_path / TRACEBACK_FILE).exists()


def test_a_judge_with_a_bug_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Diagnosis.feed

    def broken(self: Diagnosis, observation: Observation) -> Verdict | None:
        return _raise() if isinstance(observation.event, ChecksEnd) else feed(self, observation)

    monkeypatch.setattr(Diagnosis, "feed", broken)
    result = conclude(_case(tmp_path))
    assert (result.outcome, result.cause, result.exit_status) == ("error", "internal.error", 4)
    assert "in broken" in (tmp_path / TRACEBACK_FILE).read_text()
    assert json.loads((tmp_path / RESULT_FILE).read_text()) == json.loads(result.to_json())
    monkeypatch.undo()
    # After a fix, the record still says that the bug ended the run.
    assert replay(tmp_path).outcome in ("pass", "error")


def test_a_judge_that_always_fails_ends_the_run_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Diagnosis, "feed", _raise)
    result = conclude(_case(tmp_path))
    assert (result.outcome, result.cause) == ("error", "internal.error")
    assert faults(tmp_path) == ["internal.error"]


def test_a_listener_with_a_bug_ends_the_run(tmp_path: Path) -> None:
    told: list[Observation] = []

    def broken(observation: Observation, _: Diagnosis) -> None:
        told.append(observation)
        _raise()

    result = conclude(_case(tmp_path), broken)
    assert (result.outcome, result.cause) == ("error", "internal.error")
    assert len(told) == 1


def test_a_bug_in_a_callback_of_the_loop_is_recorded(tmp_path: Path) -> None:
    async def run() -> list[BaseException]:
        told: list[BaseException] = []
        came = asyncio.Event()

        def bug(error: BaseException) -> None:
            told.append(error)
            came.set()

        with reporting_bugs(bug):
            asyncio.get_running_loop().call_soon(_raise)
            await came.wait()
            came.clear()

            async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                writer.close()
                _raise()

            async with await asyncio.start_unix_server(serve, tmp_path / "s"):
                _, writer = await asyncio.open_unix_connection(tmp_path / "s")
                await came.wait()
                writer.close()
        return told

    assert [type(error) for error in asyncio.run(run())] == [ZeroDivisionError] * 2


def test_a_bug_is_raised_as_an_internal_error(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        recorder = Recorder(log)
        first = recorder.bug(KeyError("x"))
        assert isinstance(first, InternalError)
        assert recorder.bug(KeyError("y")) is first
        assert recorder.decided.is_set()

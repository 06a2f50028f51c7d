"""All that watches a machine: each observer at its work, and what becomes of one that fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

from harness.errors import HostError, QemuError
from harness.evidence.events import ImageDigest, PromptAnswer
from harness.evidence.log import EvidenceLog
from harness.image.digest import sha256_of
from harness.machine.machine import Machine
from harness.observe.clock import Clock
from harness.observe.console import ConsoleInput
from harness.observe.lifecycle import Lifecycle
from harness.observe.login import Login, observe_login
from harness.observe.network import FrameObserver, follow_capture, knock
from harness.observe.sampler import Sampler
from harness.observe.screen import read_screens, take_screenshot
from harness.trial.recorder import Recorder
from harness.trial.request import Case

# How long the process of a QEMU that no longer answers may take to end.
_LAST_WORDS_S = 5.0


@asynccontextmanager
async def observing(
    machine: Machine,
    line: ConsoleInput,
    case: Case,
    recorder: Recorder,
    clock: Clock,
    login: Login | None = None,
    *,
    answers_prompts: bool = True,
) -> AsyncIterator[None]:
    """All observers of a machine that is up and stopped, at work until the block is left.

    With ``answers_prompts``, what an installer asks is answered on ``line``. An observer that fails
    is a fault of the host: it is recorded, and ends the run.
    """
    log = recorder.log
    frames = FrameObserver(log, machine.endpoints.capture_file)
    sampler = Sampler(log, machine, frames)
    lifecycle = Lifecycle(log, machine, sampler)
    with closing(frames), machine.events() as listener:
        host, port = await machine.knock_address()
        duties = {
            "events": lifecycle.follow_events(listener),
            "process": lifecycle.follow_process(),
            "capture": _capture(frames, machine),
            "knock": knock(log, host, port, recorder.network_proved),
            "samples": sampler.run(),
            "screen": _shoot_stages(recorder, machine, case.folder),
            "screen-text": read_screens(log, machine),
            "clock": clock.run(sampler.take_all),
            "digest": _digest(log, case.image.file),
        }
        if answers_prompts:
            duties["keys"] = _type(recorder, machine, line)
        if login:
            duties["login"] = observe_login(log, login, (host, port), recorder.network_proved)
        tasks = [
            asyncio.create_task(_outlived(duty, recorder) if name != "process" else duty, name=name)
            for name, duty in duties.items()
        ]
        for task in tasks:
            task.add_done_callback(_report_to(recorder))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _outlived(work: Coroutine[Any, Any, None], recorder: Recorder) -> None:
    """The same; where QEMU is gone under it, what QEMU's own end says is recorded first."""
    try:
        await work
    except (QemuError, EOFError, OSError):
        with suppress(TimeoutError):
            async with asyncio.timeout(_LAST_WORDS_S):
                await recorder.decided.wait()
        raise


def _report_to(recorder: Recorder) -> Callable[[asyncio.Task[None]], None]:
    """What to do when an observer ends: nothing, unless it failed."""

    def report(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, HostError):
            recorder.fault(error.finding_id, str(error))
        else:
            recorder.bug(error)

    return report


async def _capture(frames: FrameObserver, machine: Machine) -> None:
    """Follow the capture; take the recorder off the NIC once the file is full."""
    await follow_capture(frames, machine.endpoints.capture_file)
    await machine.command("object-del", id="capture")


async def _shoot_stages(recorder: Recorder, machine: Machine, folder: Path) -> None:
    """A screenshot at each stage change."""
    while True:
        await recorder.stage_changed.wait()
        recorder.stage_changed.clear()
        stage = recorder.diagnosis.tracker.timeline.furthest
        await take_screenshot(recorder.log, machine, folder, f"screen-{stage}.png")


async def _digest(log: EvidenceLog, image: Path) -> None:
    """Read the image through while it boots; record its SHA-256."""
    stop = threading.Event()
    try:
        sha256 = await asyncio.to_thread(sha256_of, image, stop)
    finally:
        stop.set()
    log.record(ImageDigest(sha256))


async def _type(recorder: Recorder, machine: Machine, line: ConsoleInput) -> None:
    """Type what the questions of an installer are answered with, and record that."""
    while True:
        answer = await recorder.answers.get()
        prompt = answer.prompt
        typed = prompt.keys if answer.place == "screen" else prompt.serial
        recorder.log.record(PromptAnswer(prompt.id, answer.place, typed))
        if answer.place == "serial":
            line.type(prompt.serial)
            continue
        for key in prompt.keys:
            await machine.command("send-key", keys=[{"type": "qcode", "data": key}])

"""The observers of a machine, as tasks, and the handling of one that fails."""

from __future__ import annotations

import asyncio
import threading
import time
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
from harness.observe.host_delay import HostDelay
from harness.observe.lifecycle import Lifecycle
from harness.observe.login import Login, observe_login
from harness.observe.network import FrameObserver, follow_capture, knock
from harness.observe.sampler import Sampler
from harness.observe.screen import read_screens, take_screenshot
from harness.trial.recorder import Recorder
from harness.trial.request import Case

# How long the end of QEMU's process is awaited after QEMU has stopped answering.
_QEMU_END_LIMIT_S = 5.0


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
    """Run all observers of a machine that is up and stopped, until the block is left.

    With ``answers_prompts``, the questions of an installer are answered on ``line``. An observer
    that fails is a fault of the host: it is recorded, and ends the run.
    """
    log = recorder.log
    frames = FrameObserver(log, machine.endpoints.capture_file)
    sampler = Sampler(log, machine, frames)
    lifecycle = Lifecycle(log, machine, sampler)
    delay = HostDelay(machine, time.monotonic, clock.delay)

    async def sample() -> None:
        await sampler.take_all()
        delay.measure()

    with closing(frames), machine.events() as listener:
        host, port = await machine.knock_address()
        duties = {
            "events": lifecycle.follow_events(listener),
            "process": lifecycle.follow_process(),
            "capture": _follow_capture(frames, machine),
            "knock": knock(log, host, port, recorder.network_proved),
            "samples": sampler.run(),
            "screen": _take_stage_screenshots(recorder, machine, case.folder),
            "screen-text": read_screens(log, machine),
            "delay": delay.run(),
            "clock": clock.run(sample),
            "digest": _record_digest(log, case.image.file),
        }
        if answers_prompts:
            duties["keys"] = _type_answers(recorder, machine, line)
        if login:
            duties["login"] = observe_login(log, login, (host, port), recorder.network_proved)
        tasks = [
            asyncio.create_task(
                _after_qemu_end(duty, recorder) if name != "process" else duty, name=name
            )
            for name, duty in duties.items()
        ]
        for task in tasks:
            task.add_done_callback(_failure_callback(recorder))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _after_qemu_end(work: Coroutine[Any, Any, None], recorder: Recorder) -> None:
    """Await ``work``; if QEMU is gone, let the record of QEMU's own end come before the error."""
    try:
        await work
    except (QemuError, EOFError, OSError):
        with suppress(TimeoutError):
            async with asyncio.timeout(_QEMU_END_LIMIT_S):
                await recorder.decided.wait()
        raise


def _failure_callback(recorder: Recorder) -> Callable[[asyncio.Task[None]], None]:
    """Return the callback for the end of an observer, which records a failure."""

    def report(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, HostError):
            recorder.fault(error.finding_id, str(error))
        else:
            recorder.bug(error)

    return report


async def _follow_capture(frames: FrameObserver, machine: Machine) -> None:
    """Follow the capture; remove it from the NIC once the file is full."""
    await follow_capture(frames, machine.endpoints.capture_file)
    await machine.command("object-del", id="capture")


async def _take_stage_screenshots(recorder: Recorder, machine: Machine, folder: Path) -> None:
    """Take a screenshot at each change of the stage."""
    while True:
        await recorder.stage_changed.wait()
        recorder.stage_changed.clear()
        stage = recorder.diagnosis.tracker.timeline.furthest
        await take_screenshot(recorder.log, machine, folder, f"screen-{stage}.png")


async def _record_digest(log: EvidenceLog, image: Path) -> None:
    """Read the whole image while it boots; record its SHA-256."""
    stop = threading.Event()
    try:
        sha256 = await asyncio.to_thread(sha256_of, image, stop)
    finally:
        stop.set()
    log.record(ImageDigest(sha256))


async def _type_answers(recorder: Recorder, machine: Machine, line: ConsoleInput) -> None:
    """Type the answers to the questions of an installer, and record them."""
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

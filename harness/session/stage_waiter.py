"""The stage of a session's machine, and the wait for a later one.

A machine of a session runs on after the verdict of its run. So a second judge reads the same
tracker, with the last stage as its goal.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.judge import Judge, Verdict
from harness.errors import HarnessError, UsageError, fault_of
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation
from harness.model.finding import Finding, finding_of_cause
from harness.model.image import Medium
from harness.model.stages import DISK_LADDER, ISO_LADDER, Stage

Awaited = TypeVar("Awaited")


class StageError(HarnessError):
    """The boot is decided, and the stage will not be reached.

    ``str()`` is the sentence of the diagnosis; ``findings`` are all of them, ``cause`` is the id of
    the one that decided, None if none did.
    """

    exit_status = 1

    def __init__(
        self, sentence: str, stage: Stage, reached: Stage, verdict: Verdict | None = None
    ) -> None:
        super().__init__(sentence)
        self.stage = stage
        self.reached = reached
        self.cause = verdict.cause if verdict else None
        self.findings: tuple[Finding, ...] = verdict.findings if verdict else ()


class StageTimeoutError(StageError, TimeoutError):
    """The timeout is over, and there is no verdict."""


class StageWaiter:
    """The wait for a change of a session's tracker; it belongs to the session's loop.

    ``medium`` is that of its image: only a disk image reads a seed to its end.
    """

    def __init__(self, diagnosis: Diagnosis, medium: Medium) -> None:
        self._tracker = diagnosis.tracker
        self._medium = medium
        self._judge = Judge(self._tracker, until="ready" if medium == "disk" else None)
        self._has_changed = asyncio.Event()

    def __call__(self, _: Observation, __: Diagnosis) -> None:
        """Note that the tracker has taken an event."""
        self._has_changed.set()

    @property
    def stage(self) -> Stage:
        """The furthest stage that was reached."""
        return self._tracker.timeline.furthest

    async def wait(self, look: Callable[[], Awaited | None]) -> Awaited:
        """Call ``look`` after each observation until it returns a value; return that value."""
        while (found := look()) is None:
            await self._has_changed.wait()
            self._has_changed.clear()
        return found

    async def reach(self, stage: Stage, timeout_s: float | None) -> None:
        """Wait for ``stage``, or a later one.

        Raises StageError as soon as the diagnosis has decided that it will not come, HostError if
        this host is at fault, and StageTimeoutError after ``timeout_s`` seconds.
        """
        ladder = ISO_LADDER if self._medium == "iso" else DISK_LADDER
        if stage not in ladder:
            raise UsageError(f"{stage!r} is no stage of this image: name one of {list(ladder)}.")
        try:
            async with asyncio.timeout(timeout_s):
                await self.wait(lambda: self._reached(stage))
        except TimeoutError:
            sentence = (
                f"The stage {stage} was not reached within {timeout_s:g} s; "
                f"the machine is at the stage {self.stage}, and nothing is decided."
            )
            raise StageTimeoutError(sentence, stage, self.stage) from None

    def _reached(self, stage: Stage) -> bool | None:
        if self._tracker.reached(stage):
            return True
        if (verdict := self._judge.verdict) is None:
            return None
        if verdict.outcome == "error":
            raise fault_of(verdict.cause or "", verdict_sentence(verdict))
        raise StageError(verdict_sentence(verdict), stage, self.stage, verdict)


def verdict_sentence(verdict: Verdict) -> str:
    """Return the reason for a verdict in one sentence or a few."""
    reason = finding_of_cause(verdict.findings, verdict.cause)
    if reason is None:
        # Without a cause, the last finding says why nothing was proved, or what never came.
        reason = next((row for row in reversed(verdict.findings) if row.severity != "info"), None)
    if reason:
        return printable(reason.statement, 1000)
    return f"The boot ended at the stage {verdict.stage}: {verdict.outcome}."

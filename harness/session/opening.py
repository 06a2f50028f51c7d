"""Opening a session: the image is looked at as ``harness verify`` does, and its machine started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError
from harness.evidence.guest_text import printable
from harness.machine.acceleration import AcceleratorChoice
from harness.model.finding import Finding
from harness.model.hardware import Firmware
from harness.provider.profile import load_profile, read_profile
from harness.session.live import LiveMachine, live
from harness.session.loop import LoopThread
from harness.trial.prepare import acceleration_for, prepare
from harness.trial.recorder import conclude
from harness.trial.request import Case, TrialRequest


class RefusedError(HarnessError):
    """The provider would not take the image: it is not booted.

    ``findings`` are all of them, ``cause`` is the id of the one that decided.
    """

    exit_status = 1

    def __init__(self, sentence: str, cause: str | None, findings: tuple[Finding, ...]) -> None:
        super().__init__(sentence)
        self.cause = cause
        self.findings = findings


@contextmanager
def open_machine(
    image: str | Path,
    provider: str | Path = "contabo",
    firmware: Firmware | None = None,
    accel: AcceleratorChoice = "auto",
    run_dir: str | Path | None = None,
    until: Literal["network", "seed", "ready"] = "network",
) -> Iterator[LiveMachine]:
    """A machine of the provider around ``image`` (a path, a link), switched on; gone at the end.

    ``provider`` is a name, or the Path of a profile of one's own. The image is never written to.
    ``until`` is how far the boot must come for a pass in the result; the machine runs on whatever
    that is. ``run_dir`` is a new folder of the user's where it is None. Raises RefusedError where
    the provider would not take the image, UsageError for what is no image, HostError where this
    host cannot run it.
    """
    chosen = read_profile(provider) if isinstance(provider, Path) else load_profile(provider)
    request = TrialRequest(
        location=str(image),
        profile=chosen.with_firmware(firmware),
        until=until,
        accel=accel,
        run_dir=Path(run_dir) if run_dir else None,
    )
    case = prepare(request)
    if not case.image.passes:
        raise _refused(replace(case, run_dir=request.run_dir))
    acceleration = acceleration_for(request)
    thread = LoopThread(lambda: live(case, acceleration))
    machine = LiveMachine(thread, thread.start())
    try:
        yield machine
    finally:
        thread.stop()


def _refused(case: Case) -> RefusedError:
    result = conclude(case)
    told = result.cause_finding
    sentence = told.statement if told else f"{case.image.location}: is not taken."
    return RefusedError(printable(sentence, 1000), result.cause, result.findings)

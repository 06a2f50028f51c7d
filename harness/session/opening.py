"""Opening a session: the image is examined as by ``harness verify``, and its machine started."""

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
from harness.session.live import LiveMachine, running_session
from harness.session.loop import LoopThread
from harness.trial.prepare import acceleration_for, prepare
from harness.trial.recorder import conclude
from harness.trial.request import Case, TrialRequest


class RefusedError(HarnessError):
    """The provider does not accept the image: it is not booted.

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
    """Yield a machine with ``image`` (a path or a link), switched on; it is gone at the end.

    ``provider`` is a name, or the Path of the user's own profile. The image is never written to.
    ``until`` is the stage that the boot must reach for a pass in the result; the machine runs on in
    any case. ``run_dir`` None is a new folder in the user's state folder. Raises RefusedError if
    the provider does not accept the image, UsageError for a file that is no image, HostError if
    this host cannot run it.
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
    thread = LoopThread(lambda: running_session(case, acceleration))
    machine = LiveMachine(thread, thread.start())
    try:
        yield machine
    finally:
        thread.stop()


def _refused(case: Case) -> RefusedError:
    result = conclude(case)
    reason = result.cause_finding
    sentence = reason.statement if reason else f"{case.image.location}: is not taken."
    return RefusedError(printable(sentence, 1000), result.cause, result.findings)

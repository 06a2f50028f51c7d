"""Opening a session: the image is looked at as ``harness verify`` does, and its machine started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from harness.errors import HarnessError, UsageError
from harness.evidence.guest_text import printable
from harness.examine.image_report import ImageFacts, examine, fetch
from harness.machine.acceleration import Choice, choose_acceleration
from harness.model.finding import Finding
from harness.model.hardware import Firmware
from harness.net.link import is_url
from harness.provider.profile import Profile, load_profile, read_profile
from harness.session.live import LiveMachine, live
from harness.session.loop import LoopThread
from harness.trial.case import Case, conclude
from harness.trial.run_folder import new_run_dir


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
    accel: Choice = "auto",
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
    location = str(image)
    chosen = read_profile(provider) if isinstance(provider, Path) else load_profile(provider)
    profile = chosen.with_firmware(firmware)
    facts = _look_at(location, profile)
    if facts.medium == "disc" and until != "network":
        raise UsageError(f"until={until!r}: is for a disk image; a disc's installer reads no seed.")
    folder = Path(run_dir) if run_dir else None
    case = Case(facts, profile, until, False, None, None, folder)
    if not facts.passes:
        raise _refused(case)
    if folder is None:
        folder = new_run_dir(facts.location)
    case = Case(facts, profile, until, False, None, None, folder)
    acceleration = choose_acceleration(accel)
    thread = LoopThread(lambda: live(case, acceleration))
    machine = LiveMachine(thread, thread.start())
    try:
        yield machine
    finally:
        thread.stop()


def _look_at(location: str, profile: Profile) -> ImageFacts:
    """The facts of the image; a link is downloaded where nothing speaks against it."""
    facts = examine(location, profile, inside=not is_url(location))
    if facts.passes and facts.path is None:
        return fetch(facts, location, profile, lambda _read, _of: None, None)
    return facts


def _refused(case: Case) -> RefusedError:
    result = conclude(case, lambda _: None)
    told = result.cause_finding
    sentence = told.statement if told else f"{case.image.location}: is not taken."
    return RefusedError(printable(sentence, 1000), result.cause, result.findings)

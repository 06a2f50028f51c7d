"""A case: what to try and how, and the record that is kept of it.

A case that is not booted ends here, with the verdict of its checks. The boots are in
:mod:`harness.trial.boots`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.diagnose.diagnosis import Diagnosis, Verdict
from harness.diagnose.machine_state import InspectionSign
from harness.diagnose.prompts import Answer, Answerer
from harness.errors import FaultError, UsageError
from harness.evidence.log import EvidenceLog, Observation, Subscriber
from harness.examine.image_report import ImageFacts
from harness.host.bugs import as_fault
from harness.host.log import kept_log
from harness.host.programs import qemu_version
from harness.machine.acceleration import Acceleration
from harness.machine.backend import Backend
from harness.model.finding import Finding, finding
from harness.model.stages import Stage, Until, rank
from harness.provider.profile import Profile
from harness.trial.result import EVIDENCE_FILE, RESULT_FILE, Result, compose, judge

if TYPE_CHECKING:
    from harness.installer.plan import Installation
    from harness.seed.seed import Seed

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Case:
    """What to try, and how.

    ``silence_s`` and ``timeout_s`` are None where the clock may choose them. ``run_dir`` is None
    where nothing is to be kept, which only a case that is not booted may ask for. ``rules`` are
    location and text of tables of the user's own. With ``counterfactual``, a failure that one
    changed thing would explain is tried once more with that. An ``installation`` is for a disc: it
    is run to its end, and what it installed is booted. ``backend`` is who starts the machines.
    """

    image: ImageFacts
    profile: Profile
    until: Until
    strict: bool
    silence_s: float | None
    timeout_s: float | None
    run_dir: Path | None
    rules: tuple[tuple[str, str], ...] = ()
    counterfactual: bool = True
    installation: Installation | None = None
    backend: Backend = Backend()

    @property
    def folder(self) -> Path:
        """The run folder; raises ValueError where nothing is to be kept."""
        if self.run_dir is None:
            raise ValueError("a run needs a folder")
        return self.run_dir


class Recorder:
    """The log of a run, the diagnosis that it feeds, and the moment of the verdict."""

    def __init__(self, log: EvidenceLog) -> None:
        self.log = log
        self.diagnosis = Diagnosis()
        self.observations: list[Observation] = []
        self.decided = asyncio.Event()
        self.stage_changed = asyncio.Event()
        self.network_proved = asyncio.Event()
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        """What is to be typed, where an installer asks."""
        self.answers_prompts = True
        """False once a person types: from then on, that is who answers an installer."""
        self._answerer = Answerer()
        self._taken = asyncio.Event()
        self._bug: FaultError | None = None
        log.subscribe(self._take)

    def _take(self, observation: Observation) -> None:
        try:
            self._judge(observation)
        except Exception as error:
            self.bug(error)
        self._taken.set()

    def _judge(self, observation: Observation) -> None:
        stage = self.diagnosis.timeline.furthest
        # The lines of a console are on disk and judged; only the few facts are kept in memory.
        if observation.channel in ("run", "image", "counterfactual", "part", "ssh"):
            self.observations.append(observation)
        if self.diagnosis.feed(observation):
            self._decide()
        elif self.answers_prompts and self.diagnosis.state.medium == "disc":
            answer = self._answerer.feed(observation, self.diagnosis.state)
            if answer:
                self.answers.put_nowait(answer)
        if self.diagnosis.timeline.furthest != stage:
            at_s = observation.t_s
            _log.info("stage %s reached at %.1f s", self.diagnosis.timeline.furthest, at_s)
            self.stage_changed.set()
        if rank(self.diagnosis.timeline.furthest) >= rank("network"):
            self.network_proved.set()

    def _decide(self) -> None:
        verdict = self.diagnosis.verdict
        if verdict and not self.decided.is_set():
            said = (verdict.outcome, verdict.cause or "no cause", verdict.stage, verdict.at_s)
            _log.info("verdict: %s, %s, at the stage %s after %.1f s", *said)
        self.decided.set()

    def tell(self, subscriber: Subscriber) -> None:
        """Tell ``subscriber`` all that is recorded from now on.

        One that fails is told no more, and that ends the run: it is a bug.
        """
        works = True

        def told(observation: Observation) -> None:
            nonlocal works
            if not works:
                return
            try:
                subscriber(observation)
            except Exception as error:
                works = False
                self.bug(error)

        self.log.subscribe(told)

    async def over(self, stop_at: Stage | None) -> None:
        """Wait for the verdict, or for the stage ``stop_at``."""
        while not self.decided.is_set():
            if stop_at and stop_at in self.diagnosis.timeline.reached_s:
                return
            await self._taken.wait()
            self._taken.clear()

    def fault(self, finding_id: str, statement: str, **more: int) -> None:
        """Record that this host cannot go on."""
        self.log.record("host", "fault", finding=finding_id, statement=statement, **more)

    def bug(self, error: BaseException) -> FaultError:
        """Record an exception that nobody raised on purpose, which ends the run. Never raises."""
        if self._bug is None:
            self._bug = as_fault(error, self.log.path.parent)
            with suppress(Exception):
                self.fault(self._bug.finding_id, str(self._bug))
        if self.diagnosis.verdict is None:
            # It is the judge itself that failed, and fails at its own fault, too.
            row = finding(self._bug.finding_id, str(self._bug))
            now_s = self.log.now_s()
            self.diagnosis.verdict = Verdict("error", None, row.id, (row,), {}, now_s)
        self.decided.set()
        return self._bug


def conclude(case: Case, subscriber: Subscriber, fault: FaultError | None = None) -> Result:
    """The result of a case that is not booted: of its checks alone, recorded like a run.

    With ``fault`` it is an error of this host or of harness, and nothing is said about the image.
    """
    end: tuple[str, str, dict[str, Any]] = ("run", "checked", {})
    if fault:
        end = ("host", "fault", {"finding": fault.finding_id, "statement": str(fault)})
    rows = [*start_rows(case, None, None), end]
    if case.run_dir is None:
        observations = [Observation(0.0, *row) for row in rows]
        return judge(observations, None)
    with open_log(case.run_dir) as log:
        recorder = Recorder(log)
        recorder.tell(subscriber)
        for channel, kind, data in rows:
            log.record(channel, kind, **data)
        return write_result(recorder, case.run_dir)


def write_result(recorder: Recorder, run_dir: Path) -> Result:
    """The result of the run, also written to its folder."""
    result = compose(recorder.diagnosis, recorder.observations, run_dir)
    (run_dir / RESULT_FILE).write_text(result.to_json() + "\n", encoding="utf-8")
    return result


@contextmanager
def open_log(run_dir: Path) -> Iterator[EvidenceLog]:
    """The log of a new run, with that of harness beside it, until the block is left.

    Raises UsageError where the folder holds one already.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        log = EvidenceLog(run_dir / EVIDENCE_FILE)
    except FileExistsError as error:
        raise UsageError(f"{run_dir}: holds a run already: name another --run-dir.") from error
    except OSError as error:
        raise UsageError(f"{run_dir}: no run can be kept there: {error.strerror}.") from error
    with log, kept_log(run_dir):
        _log.info("harness %s keeps a run in %s", __version__, run_dir)
        yield log


def start_rows(
    case: Case,
    acceleration: Acceleration | None,
    seed: Seed | None,
    change: str = "",
    part: str = "",
    *,
    unattended: bool = False,
    login: bool = False,
) -> list[tuple[str, str, dict[str, Any]]]:
    """The first observations: all that the diagnosis must know of the run.

    ``change`` is what is changed in the machine, "" where it is the provider's; ``part`` which
    boot of an installation it is, "" where it is the first or the only one. ``unattended`` is an
    installer that was told its answers; with ``login`` the guest is logged in to, with its key.
    """
    image, hardware = case.image, case.profile.machine
    start: dict[str, Any] = {
        "provider": case.profile.name,
        "firmware": hardware.firmware.value,
        "chipset": hardware.chipset.value,
        "disk_bus": hardware.disk_bus.value,
        "secure_boot": hardware.secure_boot.value,
        "tpm": hardware.tpm.value,
        "image": _facts(image),
        "prediction": image.prediction.model_dump(mode="json"),
        "inside": [row.model_dump(mode="json") for row in image.inside],
        "check_s": round(image.took_s, 3),
        "tool": {
            "version": __version__,
            "qemu": (acceleration.qemu or qemu_version()) if acceleration else None,
            "accel": acceleration.accelerator if acceleration else None,
            "backend": case.backend.name,
        },
        "change": change,
        "part": part,
        "medium": image.medium,
        "known": sorted(_known(image) | ({"unattended"} if unattended else set())),
        "tags": list(image.tags),
        "drivers": dict(image.drivers),
        "until": case.until,
        "strict": case.strict,
        "seed": {
            "address": str(seed.network.guest) if seed else "",
            "addressing": seed.addressing if seed else "",
            "address_v6": seed.address_v6 if seed else "",
            "mac": seed.mac if seed else "",
            "phone_home_path": seed.phone_home_path if seed else "",
            "ready_path": seed.ready_path if seed else "",
            "login": login,
        },
    }
    own = [("run", "rules", {"location": path, "text": text}) for path, text in case.rules]
    findings = [*image.findings, *(_of_machine(case, acceleration) if acceleration else ())]
    rows = [("check", "finding", {"finding": row.model_dump(mode="json")}) for row in findings]
    return [("run", "start", start), *own, *rows]


def _facts(image: ImageFacts) -> dict[str, Any]:
    """The image as the result object has it."""
    return {
        "location": image.location,
        "format": image.format,
        "content": image.content,
        "file_size_bytes": image.file_size_bytes,
        "virtual_size_bytes": image.virtual_size_bytes,
        "final_url": image.final_url,
        "bytes_read": image.bytes_read,
    }


def _of_machine(case: Case, acceleration: Acceleration) -> Iterator[Finding]:
    """What is to be said of the machine itself, before its boot."""
    if acceleration.note:
        yield finding("host.kvm-unusable", f"{acceleration.note}.")
    attached = case.profile.machine.disc_bus
    if case.image.medium == "disc" and attached.confidence == "unknown":
        statement = (
            f"How {case.profile.title} attaches the disc is not known: it is tried in an "
            f"{attached.value.upper()} CD-ROM drive, after the disk in the boot order."
        )
        yield finding("iso.attachment-unknown", statement)


def _known(image: ImageFacts) -> set[InspectionSign]:
    """What inspection knows that rules ask for (``signs`` in rules.toml)."""
    if image.iso is None:
        return set()
    known: set[InspectionSign] = set()
    if not image.iso.systems:
        known.add("no-installer")
    if any(row.id == "linux.virtio-net-missing" for row in image.findings):
        known.add("no-virtio-net")
    if image.drivers_on_demand and image.drivers.get("virtio_scsi") == "unknown":
        known.add("drivers-later")
    return known

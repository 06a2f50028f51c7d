"""The record of one boot: its log, the diagnosis that it feeds, and its listeners."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import __version__
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.machine_state import InspectionSign
from harness.diagnose.prompts import Answer, Answerer
from harness.errors import FaultError, UsageError
from harness.evidence import events
from harness.evidence.events import Event
from harness.evidence.log import EvidenceLog, Observation
from harness.host.bugs import as_fault
from harness.host.program_log import kept_log
from harness.host.programs import qemu_version
from harness.model.finding import Finding, finding
from harness.model.stages import Stage
from harness.trial.request import Case
from harness.trial.result import EVIDENCE_FILE, RESULT_FILE, Result, compose

if TYPE_CHECKING:
    from harness.examine.image_report import ImageFacts
    from harness.machine.acceleration import Acceleration
    from harness.seed.seed import Seed

_log = logging.getLogger(__name__)

Listener = Callable[[Observation, Diagnosis], None]
"""A function that is called with each event of a boot and the diagnosis after it."""


def ignore_events(_: Observation, __: Diagnosis) -> None:
    """Ignore the event."""


class Recorder:
    """The log of a boot, the diagnosis that it feeds, and the moment of the verdict."""

    def __init__(self, log: EvidenceLog, listener: Listener = ignore_events) -> None:
        self.log = log
        self.diagnosis = Diagnosis()
        self.start: events.RunStart | None = None
        """The first event of the boot, even if the diagnosis failed to take it."""
        self.decided = asyncio.Event()
        self.stage_changed = asyncio.Event()
        self.network_proved = asyncio.Event()
        self.answers: asyncio.Queue[Answer] = asyncio.Queue()
        """The answers to type for an installer."""
        self.answers_prompts = True
        """False once a person types: from then on, the person answers the installer."""
        self._answerer = Answerer()
        self._taken = asyncio.Event()
        self._listeners = [listener]
        self._bug: FaultError | None = None
        log.subscribe(self._take)

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every event from now on.

        A listener that raises is dropped and ends the run: it is a bug.
        """
        self._listeners.append(listener)

    def _take(self, observation: Observation) -> None:
        if isinstance(observation.event, events.RunStart):
            self.start = observation.event
        try:
            self._judge(observation)
        except Exception as error:
            self.bug(error)
        self._taken.set()
        for listener in tuple(self._listeners):
            try:
                listener(observation, self.diagnosis)
            except Exception as error:
                self._listeners.remove(listener)
                self.bug(error)

    def _judge(self, observation: Observation) -> None:
        tracker = self.diagnosis.tracker
        stage = tracker.timeline.furthest
        if self.diagnosis.feed(observation):
            self._decide()
        elif self.answers_prompts and tracker.medium == "iso":
            answer = self._answerer.feed(observation.event, tracker.state)
            if answer:
                self.answers.put_nowait(answer)
        if tracker.timeline.furthest != stage:
            self.stage_changed.set()
            _log.info("stage %s reached at %.1f s", tracker.timeline.furthest, observation.t_s)
        if tracker.reached("network"):
            self.network_proved.set()

    def _decide(self) -> None:
        verdict = self.diagnosis.verdict
        if verdict and not self.decided.is_set():
            _log.info(
                "verdict: %s, %s, at the stage %s after %.1f s",
                verdict.outcome,
                verdict.cause or "no cause",
                verdict.stage,
                verdict.at_s,
            )
        self.decided.set()

    async def wait_for_end(self, stop_at: Stage | None) -> None:
        """Wait for the verdict, or for the stage ``stop_at``."""
        while not self.decided.is_set():
            if stop_at and stop_at in self.diagnosis.tracker.timeline.reached_s:
                return
            await self._taken.wait()
            self._taken.clear()

    def fault(self, finding_id: str, statement: str, signal: int | None = None) -> None:
        """Record a fault of this host; ``signal`` is the one that ended the run."""
        self.log.record(events.HostFault(finding_id, statement, signal))

    def bug(self, error: BaseException) -> FaultError:
        """Record an unexpected exception, which ends the run. Never raises."""
        if self._bug is None:
            self._bug = as_fault(error, self.log.path.parent)
            with suppress(Exception):
                self.fault(self._bug.finding_id, str(self._bug))
        if self.diagnosis.verdict is None:
            # The judge itself failed, and fails at the record of this fault, too.
            self.diagnosis.judge.give_up(self._bug.finding_id, str(self._bug))
        self._decide()
        return self._bug

    def write_result(self, run_dir: Path) -> Result:
        """Write the result of the run to its folder, and return it."""
        verdict = self.diagnosis.judge.current_verdict()
        result = compose(self.start, self.diagnosis.tracker, verdict, run_dir)
        (run_dir / RESULT_FILE).write_text(result.to_json() + "\n", encoding="utf-8")
        return result


def conclude(
    case: Case, listener: Listener = ignore_events, fault: FaultError | None = None
) -> Result:
    """Return the result of a case that is not booted: by its checks alone, recorded like a run.

    With ``fault`` it is an error of this host or of harness, and no verdict on the image.
    """
    end: Event = events.ChecksEnd()
    if fault:
        end = events.HostFault(fault.finding_id, str(fault))
    rows = [*opening_events(case, BootStart()), end]
    if case.run_dir is None:
        diagnosis = Diagnosis()
        for row in rows:
            diagnosis.feed(Observation(0.0, row))
        tracker = diagnosis.tracker
        return compose(tracker.start, tracker, diagnosis.judge.current_verdict(), None)
    with open_log(case.run_dir) as log:
        recorder = Recorder(log, listener)
        for row in rows:
            log.record(row)
        return recorder.write_result(case.run_dir)


@contextmanager
def open_log(run_dir: Path) -> Iterator[EvidenceLog]:
    """Open the log of a new run, with that of harness beside it, until the block is left.

    Raises UsageError if the folder holds a run already.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class BootStart:
    """The settings of a boot for the first event of its record.

    ``acceleration`` and ``seed`` are None where nothing is booted. ``change`` names the one
    difference from the provider's machine, ``part`` the part of an installation; both are empty for
    a first boot. ``unattended`` is an installer with a file of answers; with ``login`` harness logs
    in to the guest with the key of the seed.
    """

    acceleration: Acceleration | None = None
    seed: Seed | None = None
    change: str = ""
    part: str = ""
    unattended: bool = False
    login: bool = False


def opening_events(case: Case, boot: BootStart) -> list[Event]:
    """Return the first events of a record: all that the diagnosis must know of the run."""
    own = [events.OwnRules(location, text) for location, text in case.rules]
    of_machine = _machine_findings(case, boot.acceleration) if boot.acceleration else ()
    findings = [events.CheckFinding(row) for row in (*case.image.findings, *of_machine)]
    return [_run_start(case, boot), *own, *findings]


def _run_start(case: Case, boot: BootStart) -> events.RunStart:
    image, hardware, acceleration = case.image, case.profile.machine, boot.acceleration
    return events.RunStart(
        provider=case.profile.name,
        image=_image_record(image),
        prediction=image.prediction,
        inside=image.inside,
        check_s=round(image.took_s, 3),
        tool=events.ToolRecord(
            version=__version__,
            qemu=(acceleration.qemu or qemu_version()) if acceleration else None,
            accel=acceleration.accelerator if acceleration else None,
            backend=case.backend.name,
        ),
        seed=_seed_record(boot.seed, login=boot.login),
        until=case.until,
        strict=case.strict,
        firmware=hardware.firmware.value,
        chipset=hardware.chipset.value,
        disk_bus=hardware.disk_bus.value,
        medium=image.medium,
        secure_boot=hardware.secure_boot.value,
        tpm=hardware.tpm.value,
        change=boot.change,
        part=boot.part,
        known=tuple(
            sorted(_inspection_signs(image) | ({"unattended"} if boot.unattended else set()))
        ),
        tags=image.tags,
        drivers=image.drivers,
    )


def _image_record(image: ImageFacts) -> events.ImageRecord:
    return events.ImageRecord(
        location=image.location,
        format=image.format,
        content=image.content,
        file_size_bytes=image.file_size_bytes,
        virtual_size_bytes=image.virtual_size_bytes,
        final_url=image.final_url,
        bytes_read=image.bytes_read,
    )


def _seed_record(seed: Seed | None, *, login: bool) -> events.SeedRecord:
    if seed is None:
        return events.SeedRecord()
    return events.SeedRecord(
        address=str(seed.network.guest),
        addressing=seed.addressing,
        address_v6=seed.address_v6,
        mac=seed.mac,
        phone_home_path=seed.phone_home_path,
        ready_path=seed.ready_path,
        login=login,
    )


def with_seed(start: Event, seed: events.SeedRecord) -> Event:
    """Return the first event of a record with the seed of another one."""
    return replace(start, seed=seed) if isinstance(start, events.RunStart) else start


def _machine_findings(case: Case, acceleration: Acceleration) -> Iterator[Finding]:
    """Yield the findings about the machine itself, before its boot."""
    if acceleration.note:
        yield finding("host.kvm-unusable", f"{acceleration.note}.")
    attached = case.profile.machine.iso_bus
    if case.image.medium == "iso" and attached.confidence == "unknown":
        statement = (
            f"How {case.profile.title} attaches the disc is not known: it is tried in an "
            f"{attached.value.upper()} CD-ROM drive, after the disk in the boot order."
        )
        yield finding("iso.attachment-unknown", statement)


def _inspection_signs(image: ImageFacts) -> set[InspectionSign]:
    """Return the signs by inspection that rules test (``signs`` in rules.toml)."""
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

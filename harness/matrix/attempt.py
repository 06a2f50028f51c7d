"""One image of a catalog: acquired, tried by ``harness verify`` in its own process, and judged.

Whatever the image does to that process stays there: at worst the row of the image says so.
"""

from __future__ import annotations

import datetime
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import ValidationError

from harness.checks.link import link_finding
from harness.errors import (
    AttemptFailedError,
    DeadlineError,
    FaultError,
    HarnessError,
    HostError,
    InternalError,
)
from harness.evidence.guest_text import printable
from harness.examine.image_report import unexamined_facts
from harness.host.bugs import as_fault
from harness.host.programs import qemu_version
from harness.machine.acceleration import AcceleratorChoice, choose_acceleration
from harness.matrix.acquire import (
    ACQUIRE_LIMIT_S,
    AcquiredImage,
    StoppedError,
    acquire,
    known_sha256,
    last_stderr_line,
)
from harness.matrix.catalog import CatalogEntry, PlannedCase
from harness.matrix.child_process import PYTHON, ChildResult, run_child
from harness.matrix.progress import PhaseChange, ProgressListener
from harness.matrix.record import RUNS, CaseRow, entry_fields
from harness.matrix.reuse import ReuseConditions, reuse_key, reused_row
from harness.matrix.run_follower import RunFollower
from harness.matrix.stop import Stop
from harness.matrix.verify_option import VerifyOption, verify_words
from harness.model.finding import Finding
from harness.net.link import LinkError
from harness.provider.profile import load_profile
from harness.trial.recorder import conclude
from harness.trial.replay import replay
from harness.trial.request import Case
from harness.trial.result import EVIDENCE_FILE, Result

_log = logging.getLogger(__name__)

# It runs in the folder of the image, from which nothing may be imported (-P).
_PROGRAM = (PYTHON, "-P", "-m", "harness", "verify")
# Causes that another attempt does not change.
_FINAL = frozenset({"host.missing-tool", "host.interrupted", "host.kvm-unusable", "internal.error"})
NOT_IN_CONDITIONS = frozenset({"retries", "write_limit_bytes", "worker"})
"""Options that change no result: they decide whether there is one, and where."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options for every image of a matrix.

    ``retries`` are for errors of the host only. ``write_limit_bytes`` is the most that one run may
    write to a file; 0 for no limit. Every field is part of the conditions of a result, except those
    of ``NOT_IN_CONDITIONS``.
    """

    accel: Annotated[AcceleratorChoice, VerifyOption("--accel")] = "auto"
    counterfactual: Annotated[bool, VerifyOption("--no-counterfactual", for_false=True)] = True
    rules: Annotated[tuple[Path, ...], VerifyOption("--rules")] = ()
    retries: int = 0
    write_limit_bytes: int = 0
    worker: str = ""

    def conditions(self) -> ReuseConditions:
        """Return the conditions of results on this host; raises HostError if it has no QEMU."""
        values: dict[str, Any] = {
            row.name: getattr(self, row.name)
            for row in fields(self)
            if row.name not in NOT_IN_CONDITIONS
        }
        values["accel"] = choose_acceleration(self.accel).accelerator
        values["rules"] = tuple(path.read_text(encoding="utf-8") for path in self.rules)
        return ReuseConditions(**values, qemu=qemu_version())


ResultLookup = Callable[[str], CaseRow | None]
"""A function that returns an earlier result by its reuse key; None without one."""


def attempt(
    planned: PlannedCase,
    options: Options,
    run_dir: Path,
    stop: Stop | None = None,
    tell: ProgressListener = lambda _: None,
    known: ResultLookup | None = None,
) -> CaseRow:
    """Try one entry and return its row; the run is kept in ``run_dir``, failed attempts beside it.

    Where ``known`` has an earlier result of the image, that one is returned. Blocks until there is
    a verdict. A fault of the host or of harness is a row of judgement ``error`` after all retries,
    never an exception. Raises StoppedError soon after ``stop`` is set.
    """
    stop = stop or Stop()
    count = 0
    while True:
        count += 1
        try:
            tried = _Attempt(planned, options, run_dir, stop, tell, known).run(count)
        except StoppedError:
            raise
        except Exception as error:
            tried = fault_row(planned, as_fault(error, run_dir), options.worker, count)
        name, outcome, cause = planned.entry.name, tried.result.outcome, tried.result.cause
        _log.info(
            "%s: attempt %d is %s: %s, %s",
            name,
            count,
            tried.judgement,
            outcome,
            cause or "no cause",
        )
        final = tried.judgement != "error" or tried.result.cause in _FINAL
        if final or count > options.retries:
            return tried
        if run_dir.exists():
            run_dir.rename(run_dir.with_name(f"{run_dir.name}.attempt-{count}"))


@dataclass(slots=True)
class _Attempt:
    planned: PlannedCase
    options: Options
    run_dir: Path
    stop: Stop
    tell: ProgressListener
    known: ResultLookup | None
    _phase: str = field(default="", init=False)

    def run(self, count: int) -> CaseRow:
        """Return the row of one attempt."""
        entry = self.planned.entry
        started_at, started_s = datetime.datetime.now(tz=datetime.UTC), time.monotonic()
        wait_s = 0.0
        try:
            image = acquire(self.planned, self.stop, self._pass_on)
            if before := self._known(image):
                _log.info("%s: an earlier result is used again", entry.name)
                return before
            wait_s = time.monotonic() - started_s
            result, fetching_s = self._verify(image)
            wait_s += fetching_s
        except LinkError as error:
            result = conclude_entry(entry, (link_finding(error),))
        except StoppedError:
            raise
        except (HarnessError, OSError) as error:
            result = self._fault(_as_host_error(error))
        has_run = (self.run_dir / EVIDENCE_FILE).exists()
        name = f"{RUNS}/{entry.name}" if has_run else None
        # The folder of a matrix can be moved as a whole.
        result = result.model_copy(update={"run_dir": name})
        return CaseRow(
            **entry_fields(self.planned, result),
            attempts=count,
            started_at=started_at,
            wall_s=round(time.monotonic() - started_s - wait_s, 3),
            wait_s=round(wait_s, 3),
            run_dir=name,
            worker=self.options.worker,
            reuse_key=self._key_of(result),
        )

    def _known(self, image: AcquiredImage) -> CaseRow | None:
        """Return the row of this image by an earlier result; None if none may be reused."""
        if self.known is None:
            return None
        self._tell("looking for an earlier result")
        sha256 = known_sha256(self.planned, image)
        key = reuse_key(self.planned.entry, sha256, self.options.conditions()) if sha256 else None
        known = self.known(key) if key else None
        return reused_row(self.planned, known) if known else None

    def _key_of(self, result: Result) -> str | None:
        """Return the key by which a later matrix finds the result; None if it may not be reused."""
        sha256, tool = result.image.sha256, result.tool
        if not sha256 or not tool.qemu or not tool.accel:
            return None
        conditions = replace(self.options.conditions(), qemu=tool.qemu, accel=tool.accel)
        return reuse_key(self.planned.entry, sha256, conditions)

    def _verify(self, image: AcquiredImage) -> tuple[Result, float]:
        """Return the result of the image, tried in its own process, and the download's seconds."""
        entry = self.planned.entry
        command = [*_PROGRAM, *self._words(), *image.options, "--", image.location]
        self._tell("fetching" if entry.url else "starting")
        follower = RunFollower(self.run_dir)
        late = _Deadline(follower, entry.deadline_s, self._tell)
        try:
            child = run_child(
                command, image.folder, self.stop, late, self.options.write_limit_bytes
            )
        finally:
            follower.close()
        if child.end == "stopped":
            # A record that was cut off proves nothing.
            shutil.rmtree(self.run_dir, ignore_errors=True)
            raise StoppedError
        if child.end == "late":
            raise late.error
        return self._result_of(child), late.waited_s

    def _words(self) -> Iterator[str]:
        """Yield the options of ``harness verify`` that the entry and the matrix ask for."""
        yield from ("--json", "--run-dir", str(self.run_dir.absolute()))
        yield from verify_words(self.planned.entry)
        yield from verify_words(self.options)

    def _result_of(self, child: ChildResult) -> Result:
        try:
            return Result.model_validate_json(child.stdout)
        except ValidationError:
            if bug := _bug_in(child.stdout):
                raise bug from None
            reason = last_stderr_line(child).removeprefix("harness: ")
        how = f"signal {-child.status}" if child.status < 0 else f"status {child.status}"
        raise AttemptFailedError(f"The program that tried it ended with {how}: {reason}")

    def _fault(self, error: FaultError) -> Result:
        """Return the result of an image that this host could not try, with what was recorded."""
        if (self.run_dir / EVIDENCE_FILE).exists():
            recorded = replay(self.run_dir)
            row = conclude_entry(self.planned.entry, error=error)
            return recorded.model_copy(
                update={
                    "outcome": "error",
                    "cause": row.cause,
                    "findings": (*row.findings, *_not_of_host(recorded)),
                }
            )
        return conclude_entry(self.planned.entry, error=error)

    def _tell(self, phase: str) -> None:
        if phase and phase != self._phase:
            self._phase = phase
            self.tell(PhaseChange(self.planned.entry.name, phase, self.options.worker))

    def _pass_on(self, what: PhaseChange | CaseRow) -> None:
        if isinstance(what, PhaseChange):
            self._tell(what.phase)


class _Deadline:
    """The deadline of a run; it begins with the evidence of the run, after the download."""

    def __init__(
        self, follower: RunFollower, deadline_s: float, tell: Callable[[str], None]
    ) -> None:
        self._follow, self._tell = follower, tell
        self._deadline_s = deadline_s
        self._started_s = self._begun_s = time.monotonic()

    def __call__(self) -> bool:
        self._tell(self._follow.phase())
        now_s = time.monotonic()
        if not self._follow.has_begun:
            self._begun_s = now_s
            return now_s - self._started_s > ACQUIRE_LIMIT_S
        return now_s - self._begun_s > self._deadline_s

    @property
    def waited_s(self) -> float:
        """The seconds of the download, to half a second."""
        return self._begun_s - self._started_s

    @property
    def error(self) -> HostError:
        """The error of a run that missed its deadline."""
        if not self._follow.has_begun:
            hours = ACQUIRE_LIMIT_S / 3600
            return DeadlineError(f"It was not downloaded after {hours:g} hours.")
        return DeadlineError(f"Nothing was decided in the {self._deadline_s:g} s of its deadline.")


def conclude_entry(
    entry: CatalogEntry, findings: tuple[Finding, ...] = (), error: FaultError | None = None
) -> Result:
    """Return the result of an entry without a run: of ``findings``, or of a fault of the host."""
    profile = load_profile(entry.provider).with_firmware(entry.firmware)
    facts = replace(unexamined_facts(entry.source), findings=findings)
    case = Case(image=facts, profile=profile, run_dir=None, until=entry.until, strict=entry.strict)
    return conclude(case, fault=error)


def fault_row(planned: PlannedCase, error: FaultError, machine: str, attempts: int = 1) -> CaseRow:
    """Return the row of an image that a fault of a host or of harness kept from its end."""
    return CaseRow(
        **entry_fields(planned, conclude_entry(planned.entry, error=error)),
        attempts=attempts,
        started_at=datetime.datetime.now(tz=datetime.UTC),
        wall_s=0.0,
        run_dir=None,
        worker=machine,
    )


def _not_of_host(result: Result) -> Iterator[Finding]:
    return (row for row in result.findings if not row.id.startswith("host."))


def _bug_in(stdout: str) -> InternalError | None:
    """Return the bug that a program reports in place of a result; None if it reports none."""
    try:
        report = json.loads(stdout)
        if report["cause"] == InternalError.finding_id:
            return InternalError(printable(report["statement"], 1000))
    except (ValueError, TypeError, KeyError):
        return None
    return None


def _as_host_error(error: HarnessError | OSError) -> FaultError:
    if isinstance(error, FaultError):
        return error
    return AttemptFailedError(str(error))

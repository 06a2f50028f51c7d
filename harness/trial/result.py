"""The result object of a run, in the form that scripts rely on (``--json``)."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.diagnose.judge import Verdict
from harness.diagnose.tracker import Tracker
from harness.errors import RecordError
from harness.evidence.events import RunStart, SshLogin
from harness.model.finding import Finding, finding_of_cause
from harness.model.image import InspectedPart, Prediction
from harness.model.outcome import Outcome
from harness.model.stages import Stage, rank

EVIDENCE_FILE = "evidence.jsonl"
RESULT_FILE = "result.json"
LAST_SCREEN_FILE = "screen-end.png"

CONSOLE_LOG = "console log"
"""The backend of a result that comes from a console log, or from a screenshot, alone."""

# Causes that stop a system that had reached userspace.
_NOT_UP_CAUSES = frozenset({"boot.emergency-mode", "disk.encrypted"})

EXIT_STATUS: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}


class _ResultModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Image(_ResultModel):
    """The image under test. ``sha256`` is null if the verdict came before the file was read.

    ``content`` describes its content in words. ``final_url`` is the URL after all redirects.
    ``bytes_read`` is what the checks read of the file, or fetched of the link.
    """

    location: str
    format: str
    file_size_bytes: int | None
    virtual_size_bytes: int | None
    sha256: str | None = None
    content: str = ""
    final_url: str | None = None
    bytes_read: int | None = None


class Tool(_ResultModel):
    """The tools of the run. ``firmware`` is ``bios`` or ``uefi``, also for the checks.

    ``secure_boot`` and ``tpm`` tell whether the machine had them.
    """

    version: str
    qemu: str | None
    accel: str | None
    backend: str
    firmware: str = "bios"
    secure_boot: bool = False
    tpm: bool = False


class Counterfactual(_ResultModel):
    """The result of a second boot with one change; ``statement`` says what it proves."""

    change: str
    outcome: Outcome
    stage: Stage | None
    cause: str | None
    statement: str


class Guest(_ResultModel):
    """The guest's answers after a login with the key of the seed."""

    os: str
    kernel: str
    root_device: str
    root_transport: str
    nics: tuple[dict[str, str], ...]
    cloud_init: dict[str, Any]


class Result(_ResultModel):
    """The whole result. ``stage`` is null where nothing was booted.

    ``inside`` describes the system on the disk, part by part, in the order of a boot.
    """

    schema_: Literal["harness.result/1"] = Field(default="harness.result/1", alias="schema")
    image: Image
    provider: str
    outcome: Outcome
    stage: Stage | None
    cause: str | None
    findings: tuple[Finding, ...]
    prediction: Prediction = Prediction()
    inside: tuple[InspectedPart, ...] = ()
    counterfactual: Counterfactual | None = None
    guest: Guest | None = None
    timings_s: dict[str, float]
    run_dir: str | None
    tool: Tool

    @property
    def exit_status(self) -> int:
        """The exit status of a command with this result."""
        interrupted = self.cause == "host.interrupted"
        return 130 if interrupted else EXIT_STATUS[self.outcome]

    @property
    def cause_finding(self) -> Finding | None:
        """The finding that decided; None for a pass and without a proof."""
        return finding_of_cause(self.findings, self.cause)

    @property
    def came_up(self) -> bool | None:
        """True if the system came up, in the sense of predictions; None if that is not known."""
        if self.stage is None or self.outcome not in ("pass", "fail"):
            return None
        return rank(self.stage) >= rank("userspace") and self.cause not in _NOT_UP_CAUSES

    def to_json(self) -> str:
        """Return the object as indented JSON."""
        return self.model_dump_json(indent=2, by_alias=True)


def compose(
    start: RunStart | None, tracker: Tracker, verdict: Verdict, run_dir: Path | None
) -> Result:
    """Return the result object of a ``verdict`` on the run that ``start`` began.

    Raises RecordError if ``start`` is None.
    """
    second, login = tracker.second_boot, tracker.login
    if start is None:
        raise RecordError(f"{run_dir}: the evidence holds no start of a run.")
    timings_s = {str(stage): round(t_s, 3) for stage, t_s in verdict.stages_s.items()}
    return Result(
        image=Image(**asdict(start.image), sha256=tracker.sha256),
        provider=start.provider,
        outcome=verdict.outcome,
        stage=verdict.stage,
        cause=verdict.cause,
        findings=verdict.findings,
        prediction=start.prediction,
        inside=start.inside,
        counterfactual=Counterfactual(**asdict(second)) if second else None,
        guest=_guest(login) if login else None,
        timings_s={"check": start.check_s, **timings_s, "verdict": round(verdict.at_s, 3)},
        run_dir=str(run_dir) if run_dir else None,
        tool=Tool(
            **asdict(start.tool),
            firmware=start.firmware,
            secure_boot=start.secure_boot,
            tpm=start.tpm,
        ),
    )


def _guest(login: SshLogin) -> Guest:
    return Guest(
        os=login.os,
        kernel=login.kernel,
        root_device=login.root_device,
        root_transport=login.root_transport,
        nics=tuple(asdict(nic) for nic in login.nics),
        cloud_init={**asdict(login.cloud_init), "errors": list(login.cloud_init.errors)},
    )

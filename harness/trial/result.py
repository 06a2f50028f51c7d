"""The result object: what a run came to, in the form that scripts rely on (``--json``)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.diagnose.diagnosis import Diagnosis, diagnose
from harness.errors import RecordError
from harness.evidence.log import Observation, read_evidence
from harness.model.finding import Finding, deciding
from harness.model.image import InspectedPart, Prediction
from harness.model.outcome import Outcome
from harness.model.stages import Stage, rank

EVIDENCE_FILE = "evidence.jsonl"
RESULT_FILE = "result.json"
LAST_SCREEN_FILE = "screen-end.png"

CONSOLE_LOG = "console log"
"""The backend of a result that was drawn from a console log, or from a screenshot, alone."""

# What stops a system that had begun to come up.
_NOT_UP = frozenset({"boot.emergency-mode", "disk.encrypted"})

EXIT_STATUS: dict[Outcome, int] = {"pass": 0, "fail": 1, "inconclusive": 3, "error": 4}


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Image(_Model):
    """What was tried. ``sha256`` is null where the verdict came before the file was read.

    ``content`` is what is in it, in words. ``final_url`` is where a link led in the end.
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


class Tool(_Model):
    """What tried it. ``firmware`` is ``bios`` or ``uefi``: what it was held against, too.

    ``secure_boot`` and ``tpm`` tell whether the machine had them.
    """

    version: str
    qemu: str | None
    accel: str | None
    backend: str
    firmware: str = "bios"
    secure_boot: bool = False
    tpm: bool = False


class Counterfactual(_Model):
    """What came of one more boot with one thing changed; ``statement`` says what that proves."""

    change: str
    outcome: Outcome
    stage: Stage | None
    cause: str | None
    statement: str


class Guest(_Model):
    """What the guest says of itself to who logs in with the seed's key."""

    os: str
    kernel: str
    root_device: str
    root_transport: str
    nics: tuple[dict[str, str], ...]
    cloud_init: dict[str, Any]


class Result(_Model):
    """The whole answer. ``stage`` is null where nothing was booted.

    ``inside`` is what was seen of the system on the disk, part by part, in the order of a boot.
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
        """The exit status of the command that came to this result."""
        interrupted = self.cause == "host.interrupted"
        return 130 if interrupted else EXIT_STATUS[self.outcome]

    @property
    def cause_finding(self) -> Finding | None:
        """The finding that decided; None for a pass, or where nothing proves either."""
        return deciding(self.findings, self.cause)

    @property
    def came_up(self) -> bool | None:
        """Whether the system came up, as predictions have it; None where nothing tells."""
        if self.stage is None or self.outcome not in ("pass", "fail"):
            return None
        return rank(self.stage) >= rank("userspace") and self.cause not in _NOT_UP

    def to_json(self) -> str:
        """The object as indented JSON."""
        return self.model_dump_json(indent=2, by_alias=True)


def judge(
    observations: Iterable[Observation],
    run_dir: Path | None,
    rules: Iterable[tuple[str, str]] = (),
) -> Result:
    """The result of recorded ``observations``, by ``rules`` (location, text) of one's own too.

    Raises RecordError where they hold no start of a run. A record without a decision (its writer
    was killed) is an error of the host: ``host.interrupted``.
    """
    kept = list(observations)
    own = [
        Observation(0.0, "run", "rules", {"location": location, "text": text})
        for location, text in rules
    ]
    diagnosis = diagnose([*kept[:1], *own, *kept[1:]])
    if diagnosis.verdict is None:
        statement = "The record ends before anything was decided."
        last_s = kept[-1].t_s if kept else 0.0
        fault = {"finding": "host.interrupted", "statement": statement}
        diagnosis.feed(Observation(last_s, "host", "fault", fault))
    return compose(diagnosis, kept, run_dir)


def replay(run_dir: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """The result of the run recorded in ``run_dir``, judged again from its evidence alone."""
    return judge(read_evidence(run_dir / EVIDENCE_FILE), run_dir, rules)


def compose(diagnosis: Diagnosis, observations: list[Observation], run_dir: Path | None) -> Result:
    """The result object of a ``diagnosis`` that has its verdict."""
    verdict = diagnosis.verdict
    start = _data_of(observations, "run", "start")
    if verdict is None or start is None:
        raise RecordError(f"{run_dir}: the evidence holds no start of a run.")
    digest = _data_of(observations, "image", "digest") or {}
    second = _data_of(observations, "counterfactual", "result")
    login = _data_of(observations, "ssh", "login")
    timings_s = {str(stage): round(t_s, 3) for stage, t_s in verdict.stages_s.items()}
    return Result(
        image=Image(**start["image"], sha256=digest.get("sha256")),
        provider=start["provider"],
        outcome=verdict.outcome,
        stage=verdict.stage,
        cause=verdict.cause,
        findings=verdict.findings,
        prediction=Prediction.model_validate(start["prediction"]),
        inside=tuple(InspectedPart.model_validate(row) for row in start["inside"]),
        counterfactual=Counterfactual(**second) if second else None,
        guest=Guest(**{name: login[name] for name in Guest.model_fields}) if login else None,
        timings_s={"check": start["check_s"], **timings_s, "verdict": round(verdict.at_s, 3)},
        run_dir=str(run_dir) if run_dir else None,
        tool=Tool(
            **start["tool"],
            firmware=start.get("firmware", "bios"),
            secure_boot=start.get("secure_boot", False),
            tpm=start.get("tpm", False),
        ),
    )


def _data_of(observations: list[Observation], channel: str, kind: str) -> dict[str, Any] | None:
    for observation in observations:
        if (observation.channel, observation.kind) == (channel, kind):
            return dict(observation.data)
    return None

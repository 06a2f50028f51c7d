"""The record of a matrix: one row for each image of its catalogs.

The folder of a matrix holds ``matrix.jsonl``, a line for each image as soon as it has ended, and
``runs/NAME``, the run folder of each. Both are complete at any moment, however the matrix ends.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.matrix.catalog import Expectation, PlannedCase
from harness.model.outcome import Outcome
from harness.trial.result import Result

MATRIX_FILE = "matrix.jsonl"
RUNS = "runs"

Judgement = Literal["right", "wrong", "error"]
"""The result of an image compared with its catalog; ``error`` is a fault of the host."""


class _RecordModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CaseRow(_RecordModel):
    """The row of one entry of a catalog: its result and the judgement on it.

    ``differs`` names what is not as expected: ``outcome``, ``stage``, ``cause``, ``prediction``.
    ``attempts`` counts the attempts; only an error is tried again. ``wall_s`` is the time of the
    last attempt from its start to its end; ``wait_s`` that of the build or download before it.
    ``run_dir`` is relative to the folder of the matrix, None without a run; ``worker`` is the
    machine that ran it, "" for this one. ``reused`` marks a result of an earlier matrix.
    ``reuse_key`` stands for all that decided the result (:mod:`harness.matrix.reuse`), None if it
    may not be reused.
    """

    name: str
    catalog: str
    description: str = ""
    source: str
    tags: tuple[str, ...] = ()
    expected: Expectation
    why: str = ""
    judgement: Judgement
    differs: tuple[str, ...] = ()
    result: Result
    attempts: int = 1
    started_at: datetime.datetime
    wall_s: float
    wait_s: float = 0.0
    run_dir: str | None
    worker: str = ""
    reused: bool = False
    reuse_key: str | None = None


class PastResult(_RecordModel):
    """One earlier result of an image, as the history keeps it.

    ``at`` is the start of its matrix. ``verdict_s`` counts from power-on. A ``reused`` one was
    judged in that matrix and tried in an earlier one.
    """

    at: datetime.datetime
    judgement: Judgement
    outcome: Outcome
    stage: str | None
    cause: str | None
    verdict_s: float
    sha256: str | None
    accel: str | None = None
    reused: bool = False
    reuse_key: str | None = None


class NewsItem(_RecordModel):
    """One difference from the last time. ``statement`` is one sentence for a person.

    ``broken``: was right, is wrong. ``fixed``: was wrong, is right. ``changed``: wrong both times,
    in another way. ``flaky``: the same image (by digest) has both outcomes. ``slower`` and
    ``faster``: the time of the boot has changed. ``new``: it has no earlier result. ``since`` is
    the moment of the last result that was different, None for ``new``.
    """

    name: str
    kind: Literal["broken", "fixed", "changed", "flaky", "slower", "faster", "new"]
    statement: str
    since: datetime.datetime | None = None


class Matrix(_RecordModel):
    """The whole of a matrix: the object of ``--json``.

    ``missing`` are the names of images that were not tried because the matrix ended early.
    ``history`` has the earlier results of each image by its name, oldest first, for charts.
    """

    schema_: Literal["harness.matrix/1"] = Field(default="harness.matrix/1", alias="schema")
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    version: str
    tried: tuple[CaseRow, ...]
    missing: tuple[str, ...] = ()
    news: tuple[NewsItem, ...] = ()
    history: dict[str, tuple[PastResult, ...]] = {}

    @property
    def exit_status(self) -> int:
        """1 if an image is not as expected, else 4 for a fault of a host, else 0.

        An inconclusive image, where a pass or a fail is expected, is 3.
        """
        wrong = [row.result.outcome for row in self.tried if row.judgement == "wrong"]
        if any(outcome != "inconclusive" for outcome in wrong):
            return 1
        if self.missing or any(row.judgement == "error" for row in self.tried):
            return 4
        return 3 if wrong else 0

    def to_json(self) -> str:
        """Return the object as indented JSON."""
        return self.model_dump_json(indent=2, by_alias=True)


def judge_by_expectation(
    expected: Expectation, result: Result
) -> tuple[Judgement, tuple[str, ...]]:
    """Return the judgement on ``result`` by what is ``expected``, and the names that differ."""
    if result.outcome == "error":
        return "error", ()
    checks = {
        "outcome": result.outcome == expected.outcome,
        "stage": not expected.stages or result.stage in expected.stages,
        "cause": result.cause == expected.cause,
        "prediction": expected.predicted in (None, result.prediction.will_boot),
    }
    differs = tuple(name for name, holds in checks.items() if not holds)
    return ("wrong" if differs else "right"), differs


def entry_fields(planned: PlannedCase, result: Result) -> dict[str, Any]:
    """Return the fields of a row: those of its entry, the result, and the judgement."""
    entry = planned.entry
    judgement, differs = judge_by_expectation(entry.expected, result)
    return {
        "name": entry.name,
        "catalog": planned.catalog,
        "description": entry.description,
        "source": entry.source,
        "tags": entry.tags,
        "expected": entry.expected,
        "why": entry.why,
        "judgement": judgement,
        "differs": differs,
        "result": result,
    }


def past_result(tried: CaseRow, matrix_started_at: datetime.datetime) -> PastResult:
    """Return ``tried`` as an earlier result of later matrices."""
    result = tried.result
    return PastResult(
        at=matrix_started_at,
        judgement=tried.judgement,
        outcome=result.outcome,
        stage=result.stage,
        cause=result.cause,
        verdict_s=result.timings_s.get("verdict", 0.0),
        sha256=result.image.sha256,
        accel=result.tool.accel,
        reused=tried.reused,
        reuse_key=tried.reuse_key,
    )

"""What came of a catalog: one row for each image, and the folder that keeps them.

The folder of a matrix holds ``matrix.jsonl``, a line for each image as soon as it has ended, and
``runs/NAME``, the run folder of each. Both are whole at any moment, however the matrix ends.
"""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.matrix.catalog import Expected, Planned
from harness.model.outcome import Outcome
from harness.trial.result import Result

MATRIX_FILE = "matrix.jsonl"
RUNS = "runs"

Judgement = Literal["right", "wrong", "error"]
"""Whether what came of an image is what its catalog expects; ``error`` is the host's fault."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tried(_Model):
    """What came of one entry of a catalog.

    ``differs`` names what is not as expected: ``outcome``, ``stage``, ``cause``, ``prediction``.
    ``attempts`` is how often it was tried; only an error is tried again. ``wall_s`` is the last
    attempt from its start to its end; ``wait_s`` what building or downloading took before it.
    ``run_dir`` is relative to the folder of the matrix, None where there is no run; ``worker`` is
    the machine that ran it, "" for this one. ``reused`` is a result of an earlier matrix.
    ``reuse_key`` is what :mod:`harness.matrix.reuse` makes of all that decided it, None where it
    may not be used again.
    """

    name: str
    catalog: str
    description: str = ""
    source: str
    tags: tuple[str, ...] = ()
    expected: Expected
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


class Past(_Model):
    """One earlier result of an image, as history keeps it.

    ``at`` is when its matrix was started. ``verdict_s`` counts from power-on. A ``reused`` one was
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


class News(_Model):
    """What is different from the last time. ``statement`` is one sentence for a person.

    ``broken``: was right, is wrong. ``fixed``: was wrong, is right. ``changed``: wrong both times,
    in another way. ``flaky``: the same image (by digest) came out both ways. ``slower`` and
    ``faster``: the boot takes another time than before. ``new``: it has no earlier result.
    ``since`` is when it was last otherwise, None for ``new``.
    """

    name: str
    kind: Literal["broken", "fixed", "changed", "flaky", "slower", "faster", "new"]
    statement: str
    since: datetime.datetime | None = None


class Matrix(_Model):
    """The whole of a matrix: the object of ``--json``.

    ``missing`` are the names of images that were not tried, because it ended before. ``history``
    has the earlier results of each image by its name, oldest first, for charts.
    """

    schema_: Literal["harness.matrix/1"] = Field(default="harness.matrix/1", alias="schema")
    started_at: datetime.datetime
    ended_at: datetime.datetime | None
    version: str
    tried: tuple[Tried, ...]
    missing: tuple[str, ...] = ()
    news: tuple[News, ...] = ()
    history: dict[str, tuple[Past, ...]] = {}

    @property
    def exit_status(self) -> int:
        """1 where an image is not as expected, else 4 for a fault of a host, else 0.

        What nothing proves, where a pass or a fail is expected, is 3.
        """
        wrong = [row.result.outcome for row in self.tried if row.judgement == "wrong"]
        if any(outcome != "inconclusive" for outcome in wrong):
            return 1
        if self.missing or any(row.judgement == "error" for row in self.tried):
            return 4
        return 3 if wrong else 0

    def to_json(self) -> str:
        """The object as indented JSON."""
        return self.model_dump_json(indent=2, by_alias=True)


def judge_against(expected: Expected, result: Result) -> tuple[Judgement, tuple[str, ...]]:
    """Whether ``result`` is what is ``expected``, and what is not."""
    if result.outcome == "error":
        return "error", ()
    held = {
        "outcome": result.outcome == expected.outcome,
        "stage": not expected.stages or result.stage in expected.stages,
        "cause": result.cause == expected.cause,
        "prediction": expected.predicted in (None, result.prediction.will_boot),
    }
    differs = tuple(what for what, holds in held.items() if not holds)
    return ("wrong" if differs else "right"), differs


def of_entry(planned: Planned, result: Result) -> dict[str, Any]:
    """What a row says of its entry, and of ``result`` beside what is expected."""
    entry = planned.entry
    judgement, differs = judge_against(entry.expected, result)
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


def as_past(tried: Tried, matrix_started_at: datetime.datetime) -> Past:
    """What is told of ``tried`` as an earlier result."""
    result = tried.result
    return Past(
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

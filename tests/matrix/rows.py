"""Rows of a matrix as the tests need them."""

import datetime
from typing import Any

from harness.errors import HostError
from harness.matrix.attempt import conclude_error
from harness.matrix.catalog import Entry
from harness.matrix.record import Judgement, Tried, judge_against
from harness.result import Result


def result(outcome: str = "pass", **more: Any) -> Result:
    """A result of an image of which nothing else is known."""
    entry = Entry(name="any", file="any.qcow2")
    base = conclude_error(entry, HostError("host.deadline", "It was late."))
    if outcome == "error":
        return base.model_copy(update=more)
    return base.model_copy(update={"outcome": outcome, "cause": None, "findings": (), **more})


def tried(name: str, outcome: str = "pass", **more: Any) -> Tried:
    entry = Entry(name=name, file=f"{name}.qcow2")
    of_it = result(outcome, **({"cause": "boot.hung"} if outcome == "fail" else {}))
    judgement: Judgement
    judgement, differs = judge_against(entry.expected, of_it)
    row = Tried(
        name=name,
        catalog="images.toml",
        source=entry.source,
        expected=entry.expected,
        judgement=judgement,
        differs=differs,
        result=of_it,
        started_at=datetime.datetime(2026, 11, 25, tzinfo=datetime.UTC),
        wall_s=1.0,
        run_dir=None,
    )
    return row.model_copy(update=more)

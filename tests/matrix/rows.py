"""Rows as a matrix makes them, and the nights on which they were made."""

from __future__ import annotations

import datetime
from typing import Any

from harness.matrix.catalog import Expectation
from harness.matrix.record import CaseRow, PastResult, judge_by_expectation, past_result
from harness.trial.result import Image, Result, Tool

SHA256 = "a" * 64
PASS = Expectation()


def night(number: int) -> datetime.datetime:
    """Two in the morning of the day ``number`` of November 2026."""
    return datetime.datetime(2026, 11, 1, 2, tzinfo=datetime.UTC) + datetime.timedelta(number - 1)


def tried(name: str = "debian", *, expected: Expectation = PASS, **more: Any) -> CaseRow:
    """A pass, but for what is said: ``outcome``, ``cause``, ``stage``, ``verdict_s``, …"""
    outcome = more.pop("outcome", "pass")
    default_cause = {"fail": "boot.kernel-panic", "error": "host.no-space"}.get(outcome)
    result = Result(
        image=Image(
            location=f"{name}.qcow2",
            format="qcow2",
            file_size_bytes=1 << 20,
            virtual_size_bytes=1 << 30,
            sha256=more.pop("sha256", SHA256),
        ),
        provider="contabo",
        outcome=outcome,
        stage=more.pop("stage", "network" if outcome == "pass" else "kernel"),
        cause=more.pop("cause", default_cause),
        findings=(),
        timings_s={"check": 0.1, "verdict": more.pop("verdict_s", 40.0)},
        run_dir=f"runs/{name}",
        tool=Tool(version="0.1.0", qemu="7.2.22", accel=more.pop("accel", "tcg"), backend="qemu"),
    )
    judgement, differs = judge_by_expectation(expected, result)
    row = {
        "catalog": "linux.toml",
        "source": f"{name}.qcow2",
        "started_at": night(25),
        "wall_s": 60.0,
        "run_dir": f"runs/{name}",
        **more,
    }
    return CaseRow(
        name=name, expected=expected, judgement=judgement, differs=differs, result=result, **row
    )


def nights(*rows: CaseRow) -> tuple[PastResult, ...]:
    """The results of as many nights, the first of November first."""
    return tuple(past_result(row, night(number)) for number, row in enumerate(rows, start=1))

"""Matrices and run folders to report on: recorded boots of the gallery, and hostile texts."""

from __future__ import annotations

import datetime
import json
import lzma
from pathlib import Path
from typing import Any

from harness.evidence.log import SCHEMA
from harness.matrix.catalog import Expectation
from harness.matrix.record import CaseRow, Matrix, NewsItem, PastResult, judge_by_expectation
from harness.model.finding import Finding, finding
from harness.model.image import InspectedPart
from harness.trial.result import EVIDENCE_FILE, Counterfactual, Image, Result, Tool

RECORDINGS = Path(__file__).parents[1] / "gallery"
RECORDED = sorted(
    path.name.removesuffix(".evidence.jsonl.xz") for path in RECORDINGS.glob("*.evidence.jsonl.xz")
)
AT = datetime.datetime(2026, 11, 20, 3, 15, tzinfo=datetime.UTC)
STARTED = {"power-on": 0.0, "firmware": 0.0, "bootloader": 0.3, "kernel": 6.0, "initrd": 9.0}
FAILED = Expectation(outcome="fail", cause="boot.kernel-panic")
PANIC = finding("boot.kernel-panic", "The kernel panicked.", ("tiny: bye", "Kernel panic"))

HOSTILE = (
    "<script>document.title='owned'</script></style></script></pre></title><img src=x "
    "onerror=\"document.title='owned'\">]]>&lt;{{ 7 * 7 }}{% raw %} "
    "\x00\x1b[2J\x1b]0;owned\x07\u202e"
    "\ufffe\x85 `|` [a](http://b.example) **b** www.b.example --> \r\n::error::owned%0A%"
)


def result(**more: Any) -> Result:
    facts: dict[str, Any] = {
        "image": Image(
            location="disk.qcow2", format="qcow2", file_size_bytes=5, virtual_size_bytes=7
        ),
        "provider": "contabo",
        "outcome": "pass",
        "stage": "network",
        "cause": None,
        "findings": (),
        "timings_s": {"check": 0.1, **STARTED, "network": 30.0, "verdict": 30.0},
        "run_dir": None,
        "tool": Tool(version="1", qemu="7.2", accel="tcg", backend="qemu"),
    }
    return Result.model_validate({"schema": "harness.result/1", **facts, **more})


def panic(**more: Any) -> Result:
    timings_s = {"check": 0.1, **STARTED, "verdict": 12.5}
    facts = {"stage": "initrd", "cause": PANIC.id, "findings": (PANIC,), "timings_s": timings_s}
    return result(**{"outcome": "fail", **facts, **more})


def tried(name: str, came: Result, expected: Expectation | None = None, **more: Any) -> CaseRow:
    right = expected or Expectation()
    judgement, differs = judge_by_expectation(right, came)
    facts: dict[str, Any] = {
        "name": name,
        "catalog": "nightly.toml",
        "source": f"{name}.qcow2",
        "expected": right,
        "judgement": judgement,
        "differs": differs,
        "result": came,
        "started_at": AT,
        "wall_s": 31.5,
        "run_dir": None,
    }
    return CaseRow(**{**facts, **more})


def matrix(*rows: CaseRow, **more: Any) -> Matrix:
    ended_at = AT + datetime.timedelta(minutes=7)
    facts = {"started_at": AT, "ended_at": ended_at, "version": "0.1.0", "tried": rows}
    return Matrix.model_validate({"schema": "harness.matrix/1", **facts, **more})


def nightly() -> Matrix:
    """A row of each kind, and news."""
    host = result(
        outcome="error",
        stage=None,
        cause="host.no-space",
        findings=(finding("host.no-space", "Full."),),
    )
    return matrix(
        tried("good", result(), tags=("debian", "fast")),
        tried("as-expected", panic(), FAILED, tags=("debian",), why="It is broken on purpose."),
        tried("bad", panic(), tags=("alpine",)),
        tried("spoiled", host),
        missing=("never-tried",),
        news=(NewsItem(name="bad", kind="broken", statement="It passed before.", since=AT),),
        history={"bad": tuple(past(day) for day in range(1, 6))},
    )


def past(day: int, **more: Any) -> PastResult:
    facts: dict[str, Any] = {
        "at": AT - datetime.timedelta(days=10 - day),
        "judgement": "right",
        "outcome": "pass",
        "stage": "network",
        "cause": None,
        "verdict_s": 10.0 + day,
        "sha256": None,
    }
    return PastResult(**{**facts, **more})


def hostile(run_dir: str | None = None) -> Matrix:
    """The same hostile text wherever a text can be."""
    bad = HOSTILE
    found = [
        Finding(id="boot.hung", severity="error", statement=bad, evidence=(bad,), remedy=bad),
        Finding(id="qcow2.dirty", severity="warning", statement=bad, evidence=(bad,), remedy=bad),
    ]
    came = result(
        image=Image(
            location=bad,
            format=bad,
            file_size_bytes=1,
            virtual_size_bytes=1,
            content=bad,
            sha256=bad,
        ),
        provider=bad,
        outcome="fail",
        cause="boot.hung",
        findings=found,
        inside=(InspectedPart(topic=bad, statement=bad),),
        counterfactual=Counterfactual(
            change=bad, outcome="pass", stage="root", cause=None, statement=bad
        ),
        tool=Tool(version=bad, qemu=bad, accel=bad, backend=bad, firmware=bad),
    )
    texts = {"description": bad, "source": bad, "why": bad, "worker": bad, "catalog": bad}
    rows = (
        tried(bad, came, tags=(bad,), run_dir=run_dir, **texts),
        tried(bad + "2", result(provider=bad), tags=(bad,), **texts),
        tried("third", came.model_copy(update={"cause": bad}), **texts),
    )
    return matrix(
        *rows,
        version=bad,
        missing=(bad,),
        news=(
            NewsItem(name=bad, kind="broken", statement=bad),
            NewsItem(name="x", kind="new", statement=bad),
        ),
        history={bad: (past(1, stage=bad, cause=bad), past(2))},
    )


def unpack(name: str, folder: Path) -> Path:
    """The run folder of a recorded boot of the gallery, in ``folder``."""
    run = folder / name
    run.mkdir(parents=True)
    packed = (RECORDINGS / f"{name}.evidence.jsonl.xz").read_bytes()
    (run / EVIDENCE_FILE).write_bytes(lzma.decompress(packed))
    return run


def write_evidence(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row) for row in [{"schema": SCHEMA}, *rows]]
    (folder / EVIDENCE_FILE).write_text("\n".join(lines) + "\n")


def serial(*texts: str, channel: str = "serial", since_s: float = 0.0) -> list[dict[str, Any]]:
    return [
        {
            "t_s": since_s + number,
            "channel": channel,
            "kind": "line",
            "text": text,
            "offset": number * 100,
        }
        for number, text in enumerate(texts)
    ]

"""The run of an entry through the program itself, compared with its expectation."""

from __future__ import annotations

import lzma
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.evidence.log import read_evidence
from harness.host.programs import PDEATHSIG
from harness.matrix.catalog import Expectation
from harness.matrix.record import judge_by_expectation
from harness.model.stages import Stage
from harness.trial.replay import judge_record
from harness.trial.result import EVIDENCE_FILE, Result
from images.build import build
from images.gallery.build import break_image
from images.gallery.entry import Entry, load_entry
from images.recipe import RecipeError
from images.steps import say

HARNESS = Path(sys.executable).with_name("harness")
FIXED_TIMEOUT_S = 300
"""The timeout of a test that has no diagnosis."""
RECORD_SUFFIX = ".evidence.jsonl.xz"
RECORDINGS = Path(__file__).parents[2] / "tests" / "gallery"
PREDICTED = {True: "comes up", False: "does not", None: "not known"}


@dataclass(frozen=True, slots=True)
class EntryRun:
    """The result of an entry. ``verdict_s`` counts from power-on to the decisive evidence.

    ``printed_after_s`` is the delay from there to the printed verdict, ``wall_s`` the time of the
    whole command with its second boot, whose ``proof`` is "" without one. For a recording the first
    is None, the second 0. ``wrong`` names the fields that are not as expected.
    """

    name: str
    expected: Expectation
    outcome: str
    stage: Stage | None
    cause: str | None
    predicted: bool | None
    came_up: bool | None
    proof: str
    verdict_s: float
    printed_after_s: float | None
    wall_s: float
    wrong: tuple[str, ...]

    @property
    def saved_s(self) -> float:
        """The time saved compared with a fixed timeout; 0 for a pass."""
        return 0.0 if self.outcome == "pass" else FIXED_TIMEOUT_S - self.verdict_s


def run_entry(name: str, options: Iterable[str], runs: Path, record: Path | None) -> EntryRun:
    """Build an entry, verify it, and compare the result; the run folder is kept in ``runs``.

    With ``record`` the evidence is also put there, packed. The image is not kept: most of it is
    its base. Raises RecipeError where the image cannot be built, or the program gives no result.
    """
    entry = load_entry(name)
    base = build(entry.base, entry.cmdline)
    with tempfile.TemporaryDirectory(prefix="harness-gallery-", dir=runs) as folder:
        work = Path(folder)
        image = work / f"{name}.qcow2"
        say(f"{name}: building")
        if entry.steps:
            (work / "scratch").mkdir()
            break_image(entry, base, work / "scratch", image)
            shutil.rmtree(work / "scratch")
        else:
            image.symlink_to(base)
        say(f"{name}: verifying")
        started = time.monotonic()
        result, printed_after_s = verify(image, [*entry.options, *options], runs / name)
        wall_s = time.monotonic() - started
    if record:
        record_run(runs / name, record / f"{name}{RECORD_SUFFIX}")
    ran = compare(name, entry, result, printed_after_s, wall_s)
    say(f"{name}: {'wrong: ' + ', '.join(ran.wrong) if ran.wrong else 'right'}")
    return ran


def verify(image: Path, options: list[str], run_dir: Path) -> tuple[Result, float]:
    """Return the result of ``harness verify``, and the delay from evidence to printed verdict.

    The program gets the image's name without its folder, which keeps paths of this host out of the
    evidence.
    """
    words = [*PDEATHSIG, str(HARNESS), "verify", image.name, "--json"]
    words += ["--run-dir", str(run_dir.absolute())]
    with (
        tempfile.TemporaryFile("w+") as stdout,
        subprocess.Popen(
            [*words, *options], stdout=stdout, stderr=subprocess.PIPE, text=True, cwd=image.parent
        ) as process,
    ):
        lines = _timed_lines(process)
        stdout.seek(0)
        text = stdout.read()
    try:
        return Result.model_validate_json(text), _printed_after_s(lines)
    except ValidationError as error:
        last = "\n  ".join(line for _, line in lines[-3:])
        status = f"status {process.returncode}"
        raise RecipeError(f"harness verify gave no result ({status}): {last}") from error


def _timed_lines(process: subprocess.Popen[str]) -> list[tuple[float, str]]:
    """Return the lines of stderr, each with the time at which it was read."""
    assert process.stderr is not None  # noqa: S101  a pipe was asked for
    return [(time.monotonic(), line.rstrip()) for line in process.stderr]


# A line of progress: seconds since power-on, then a stage or the verdict.
_PROGRESS = re.compile(r" *(\d+\.\d) s  (power-on|PASS|FAIL|INCONCLUSIVE|ERROR)\b")


def _printed_after_s(lines: list[tuple[float, str]]) -> float:
    """Return the seconds from the decisive observation to the line with the verdict, to a tenth."""
    power_on_s = None
    for at_s, line in lines:
        match = _PROGRESS.match(line)
        if match and match[2] == "power-on":
            power_on_s = at_s - float(match[1])
        elif match and power_on_s is not None:
            return max(0.0, at_s - power_on_s - float(match[1]))
    return 0.0


def compare(
    name: str, entry: Entry, result: Result, printed_after_s: float | None, wall_s: float
) -> EntryRun:
    """Compare a result with the expectation of its entry."""
    expected, predicted = entry.expected, result.prediction.will_boot
    _, wrong = judge_by_expectation(expected, result)
    return EntryRun(
        name=name,
        expected=expected,
        outcome=result.outcome,
        stage=result.stage,
        cause=result.cause,
        predicted=predicted,
        came_up=result.came_up,
        proof=result.counterfactual.statement if result.counterfactual else "",
        printed_after_s=printed_after_s,
        verdict_s=result.timings_s["verdict"],
        wall_s=wall_s,
        wrong=wrong or (("outcome",) if result.outcome == "error" else ()),
    )


def recorded(name: str) -> Result:
    """Judge the recorded run of an entry by today's rules.

    Raises RecipeError if it was never recorded.
    """
    packed = RECORDINGS / f"{name}{RECORD_SUFFIX}"
    if not packed.exists():
        raise RecipeError(f"{packed}: there is no recording of it.")
    with tempfile.TemporaryDirectory(prefix="harness-replay-") as folder:
        evidence = Path(folder) / EVIDENCE_FILE
        evidence.write_bytes(lzma.decompress(packed.read_bytes()))
        return judge_record(read_evidence(evidence), None)


def record_run(run_dir: Path, target: Path) -> None:
    """Compress the evidence of a run, from which a replay reaches the verdict."""
    evidence = (run_dir / EVIDENCE_FILE).read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress(evidence, preset=9 | lzma.PRESET_EXTREME))


def table(rows: list[EntryRun]) -> str:
    """Return a Markdown table of the runs, with totals."""
    lines = [
        "| entry | expected | seen | | evidence after | said | saved of "
        f"{FIXED_TIMEOUT_S} s | predicted, booted | one more boot |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        right = " or ".join(row.expected.stages)
        verdict = f"**wrong: {', '.join(row.wrong)}**" if row.wrong else "right"
        lines.append(
            f"| {row.name} | {_words(row.expected.outcome, right, row.expected.cause)} "
            f"| {_words(row.outcome, row.stage, row.cause)} | {verdict} | {row.verdict_s:.1f} s "
            f"| {_after(row.printed_after_s)} | {row.saved_s:.0f} s "
            f"| {PREDICTED[row.predicted]}, {PREDICTED[row.came_up]} | {row.proof} |"
        )
    wrong = sum(bool(row.wrong) for row in rows)
    contrary = sum(
        None not in (row.predicted, row.came_up) and row.predicted != row.came_up for row in rows
    )
    unknown = sum(row.predicted is None for row in rows)
    decided_s, saved_s = sum(row.verdict_s for row in rows), sum(row.saved_s for row in rows)
    lines += [
        "",
        f"{len(rows)} entries: {len(rows) - wrong} right, {wrong} wrong; of the predictions "
        f"{contrary} contrary to the boot, {unknown} not known. Decided after {decided_s:.0f} s in "
        f"sum, {saved_s:.0f} s less than with a fixed timeout of {FIXED_TIMEOUT_S} s.",
    ]
    return "\n".join(lines)


def _after(delay_s: float | None) -> str:
    return "" if delay_s is None else f"+{delay_s:.1f} s"


def _words(outcome: str, stage: str | None, cause: str | None) -> str:
    return ", ".join(word for word in (outcome, stage, cause) if word)

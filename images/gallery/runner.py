"""Running an entry through the program itself, and holding what it says against what is right."""

from __future__ import annotations

import lzma
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.diagnose.stages import Stage, rank
from harness.result import EVIDENCE_FILE, Result
from images.build import build
from images.gallery.build import break_image
from images.gallery.entry import Entry, Expected, load_entry
from images.recipe import RecipeError
from images.steps import say

HARNESS = Path(sys.executable).with_name("harness")
FIXED_TIMEOUT_S = 300
"""What a test without a diagnosis waits before it calls a guest dead."""
RECORD_SUFFIX = ".evidence.jsonl.xz"
_PREDICTED = {True: "comes up", False: "does not", None: "not known"}


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of an entry. ``verdict_s`` counts from power-on, ``wall_s`` is the whole command.

    ``wrong`` names what is not as expected.
    """

    name: str
    expected: Expected
    outcome: str
    stage: Stage | None
    cause: str | None
    predicted: bool | None
    verdict_s: float
    wall_s: float
    wrong: tuple[str, ...]

    @property
    def came_up(self) -> bool:
        """Whether the system on the disk ran, whatever became of its network."""
        return self.stage is not None and rank(self.stage) >= rank("userspace")

    @property
    def saved_s(self) -> float:
        """The time that a fixed timeout would have taken on top; a pass would not wait for it."""
        return 0.0 if self.outcome == "pass" else FIXED_TIMEOUT_S - self.verdict_s


def run_entry(name: str, options: Iterable[str], runs: Path, record: Path | None) -> Ran:
    """Build an entry, verify it, and compare; its run is kept in ``runs``.

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
        result = verify(image, [*entry.options, *options], runs / name)
        wall_s = time.monotonic() - started
    if record:
        record_run(runs / name, record / f"{name}{RECORD_SUFFIX}")
    ran = compare(name, entry, result, wall_s)
    say(f"{name}: {'wrong: ' + ', '.join(ran.wrong) if ran.wrong else 'right'}")
    return ran


def verify(image: Path, options: list[str], run_dir: Path) -> Result:
    """The result object of ``harness verify``, which is told the image's name without its folder.

    That keeps the names of this host out of the evidence.
    """
    words = [str(HARNESS), "verify", image.name, "--json", "--run-dir", str(run_dir.absolute())]
    words += options
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=image.parent)
    try:
        return Result.model_validate_json(done.stdout)
    except ValidationError as error:
        last = "\n  ".join(done.stderr.strip().splitlines()[-3:])
        status = f"status {done.returncode}"
        raise RecipeError(f"harness verify gave no result ({status}): {last}") from error


def compare(name: str, entry: Entry, result: Result, wall_s: float) -> Ran:
    """What a result says about an entry."""
    expected, predicted = entry.expected, result.prediction.will_boot
    held = {
        "outcome": result.outcome == expected.outcome,
        "stage": result.stage in expected.stages,
        "cause": result.cause == expected.cause,
        "prediction": expected.predicted is None or predicted == expected.predicted,
    }
    return Ran(
        name=name,
        expected=expected,
        outcome=result.outcome,
        stage=result.stage,
        cause=result.cause,
        predicted=predicted,
        verdict_s=result.timings_s["verdict"],
        wall_s=wall_s,
        wrong=tuple(what for what, holds in held.items() if not holds),
    )


def record_run(run_dir: Path, target: Path) -> None:
    """Pack the evidence of a run: what a verdict can be reached from again."""
    evidence = (run_dir / EVIDENCE_FILE).read_bytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(lzma.compress(evidence, preset=9 | lzma.PRESET_EXTREME))


def table(rows: list[Ran]) -> str:
    """A Markdown table of what ran, and its totals."""
    lines = [
        "| entry | expected | seen | | decided after | whole run | saved of "
        f"{FIXED_TIMEOUT_S} s | predicted, booted |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        right = " or ".join(row.expected.stages)
        verdict = f"**wrong: {', '.join(row.wrong)}**" if row.wrong else "right"
        lines.append(
            f"| {row.name} | {_words(row.expected.outcome, right, row.expected.cause)} "
            f"| {_words(row.outcome, row.stage, row.cause)} | {verdict} | {row.verdict_s:.1f} s "
            f"| {row.wall_s:.1f} s | {row.saved_s:.0f} s "
            f"| {_PREDICTED[row.predicted]}, {_PREDICTED[row.came_up]} |"
        )
    wrong = sum(bool(row.wrong) for row in rows)
    contrary = sum(row.predicted not in (None, row.came_up) for row in rows)
    unknown = sum(row.predicted is None for row in rows)
    lines += [
        "",
        f"{len(rows)} entries: {len(rows) - wrong} right, {wrong} wrong; of the predictions "
        f"{contrary} contrary to the boot, {unknown} not known. Decided after "
        f"{sum(row.verdict_s for row in rows):.0f} s in sum, whole runs "
        f"{sum(row.wall_s for row in rows):.0f} s; {sum(row.saved_s for row in rows):.0f} s less "
        f"than with a fixed timeout of {FIXED_TIMEOUT_S} s.",
    ]
    return "\n".join(lines)


def _words(outcome: str, stage: str | None, cause: str | None) -> str:
    return ", ".join(word for word in (outcome, stage, cause) if word)

"""The boots that a run folder holds, each with its log and its pictures, within a page's limits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from harness.model.stages import STAGES
from harness.report.charts import stage_times
from harness.report.console_lines import (
    MAX_LINES,
    RecordedConsoles,
    ReportLine,
    lines_to_show,
    read_consoles,
)
from harness.report.pictures import EmbeddedPicture, embed
from harness.trial.result import RESULT_FILE, Result

MAX_PICTURES = 6
"""How many screenshots of one boot are shown: the last ones that differ."""

SHORT_LINES = 40
"""How many lines of a log are shown where the page has no room for more."""

_SCREENS = "screen-*.png"
# The folders of a run that hold boots of their own, and what each is.
_PARTS = {
    "installation": "The installation",
    "installed": "What it installed, booted",
    "counterfactual": "Once more, with {change}",
}
_LOGS = {"serial": "serial console", "firmware": "firmware log", "screen": "last screen, as text"}


@dataclass(slots=True)
class PageBudget:
    """What a page has left for pictures (bytes) and logs (characters). Boots take from it."""

    pictures_bytes: int = 12_000_000
    log_characters: int = 12_000_000
    pictures_left_out: int = 0
    logs_shortened: int = 0


@dataclass(frozen=True, slots=True)
class ConsoleLog:
    """A console of a boot, by what a person calls it."""

    name: str
    lines: tuple[ReportLine, ...]


@dataclass(frozen=True, slots=True)
class BootScreenshot:
    """A screenshot: at which stages it was taken, and when first. ``text`` is what it shows."""

    stages: str
    t_s: float | None
    picture: EmbeddedPicture
    text: str


@dataclass(frozen=True, slots=True)
class BootSection:
    """One boot. ``title`` is "" for the one that the verdict is of."""

    title: str
    logs: tuple[ConsoleLog, ...]
    shots: tuple[BootScreenshot, ...]


def boot_sections(run_dir: Path, result: Result, budget: PageBudget) -> tuple[BootSection, ...]:
    """The boots in ``run_dir`` that left anything to show, the one of ``result`` first."""
    boots = [_boot(run_dir, result, "", budget)]
    change = result.counterfactual.change if result.counterfactual else "one thing changed"
    for name, title in _PARTS.items():
        folder = run_dir / name
        if folder.is_dir():
            boots.append(_boot(folder, _result_in(folder), title.format(change=change), budget))
    return tuple(boot for boot in boots if boot.logs or boot.shots)


def _result_in(folder: Path) -> Result | None:
    try:
        return Result.model_validate_json((folder / RESULT_FILE).read_bytes())
    except (OSError, ValidationError):
        return None


def _boot(folder: Path, result: Result | None, title: str, budget: PageBudget) -> BootSection:
    heard = read_consoles(folder)
    shots = tuple(_shots(folder, heard, budget))
    return BootSection(title, tuple(_logs(heard, result, budget, has_pictures=bool(shots))), shots)


def _logs(
    heard: RecordedConsoles, result: Result | None, budget: PageBudget, *, has_pictures: bool
) -> Iterator[ConsoleLog]:
    """The serial console; of the rest what speaks where that does not."""
    cause = result.cause_finding if result else None
    evidence = cause.evidence if cause else ()
    stages_s = stage_times(result) if result else {}
    for channel, name in _LOGS.items():
        said = heard.said.get(channel, [])
        limit = MAX_LINES if budget.log_characters > 0 else SHORT_LINES
        lines = lines_to_show(said, evidence, {} if channel == "screen" else stages_s, limit)
        decides = any(line.decisive for line in lines)
        mute = not heard.said.get("serial")
        if not lines or not (channel == "serial" or decides or (mute and not has_pictures)):
            continue
        budget.log_characters -= sum(len(line.text) for line in lines)
        budget.logs_shortened += limit == SHORT_LINES < len(said)
        yield ConsoleLog(name, lines)


def _shots(folder: Path, heard: RecordedConsoles, budget: PageBudget) -> Iterator[BootScreenshot]:
    """The last screenshots that differ, in the order in which they were taken."""
    by_digest: dict[bytes, list[Path]] = {}
    for path in sorted(folder.glob(_SCREENS), key=lambda path: _taken(path, heard)):
        by_digest.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(path)
    screen = " ".join(said.text for said in heard.said.get("screen", ()))
    alike = list(by_digest.values())[-MAX_PICTURES:]
    for paths in alike:
        picture = embed(paths[0])
        if picture is None or picture.size_bytes > budget.pictures_bytes:
            budget.pictures_left_out += 1
            continue
        budget.pictures_bytes -= picture.size_bytes
        yield BootScreenshot(
            stages=", ".join(_stage_of(path) for path in paths),
            t_s=heard.shots_s.get(paths[0].name),
            picture=picture,
            # What was read last was read of the last screen.
            text=screen if paths is alike[-1] else "",
        )


def _taken(path: Path, heard: RecordedConsoles) -> tuple[float, int, str]:
    """The moment of a screenshot; of one that is in no record, the place of its stage, its name."""
    stage = _stage_of(path)
    place = next((number for number, name in enumerate(STAGES) if name == stage), len(STAGES))
    return heard.shots_s.get(path.name, float("inf")), place, path.name


def _stage_of(path: Path) -> str:
    return path.stem.removeprefix("screen-")

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
# The folders of a run that hold further boots, and a title for each.
_PARTS = {
    "installation": "The installation",
    "installed": "What it installed, booted",
    "counterfactual": "Once more, with {change}",
}
_LOGS = {"serial": "serial console", "firmware": "firmware log", "screen": "last screen, as text"}


@dataclass(slots=True)
class PageBudget:
    """The space that a page has left for pictures (bytes) and logs (characters); boots use it."""

    pictures_bytes: int = 12_000_000
    log_characters: int = 12_000_000
    pictures_left_out: int = 0
    logs_shortened: int = 0


@dataclass(frozen=True, slots=True)
class ConsoleLog:
    """A console of a boot under its readable name."""

    name: str
    lines: tuple[ReportLine, ...]


@dataclass(frozen=True, slots=True)
class BootScreenshot:
    """A screenshot, its stages, and the time of the first. ``text`` is what can be read on it."""

    stages: str
    t_s: float | None
    picture: EmbeddedPicture
    text: str


@dataclass(frozen=True, slots=True)
class BootSection:
    """One boot. ``title`` is "" for the boot that was judged."""

    title: str
    logs: tuple[ConsoleLog, ...]
    shots: tuple[BootScreenshot, ...]


def boot_sections(run_dir: Path, result: Result, budget: PageBudget) -> tuple[BootSection, ...]:
    """Return the boots in ``run_dir`` that left anything to show, that of ``result`` first."""
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
    consoles = read_consoles(folder)
    shots = tuple(_shots(folder, consoles, budget))
    return BootSection(
        title, tuple(_logs(consoles, result, budget, has_pictures=bool(shots))), shots
    )


def _logs(
    consoles: RecordedConsoles, result: Result | None, budget: PageBudget, *, has_pictures: bool
) -> Iterator[ConsoleLog]:
    """Yield the serial console, and other logs that are decisive or stand in for a silent one."""
    cause = result.cause_finding if result else None
    evidence = cause.evidence if cause else ()
    stages_s = stage_times(result) if result else {}
    for channel, name in _LOGS.items():
        recorded = consoles.lines.get(channel, [])
        limit = MAX_LINES if budget.log_characters > 0 else SHORT_LINES
        lines = lines_to_show(recorded, evidence, {} if channel == "screen" else stages_s, limit)
        decides = any(line.decisive for line in lines)
        mute = not consoles.lines.get("serial")
        if not lines or not (channel == "serial" or decides or (mute and not has_pictures)):
            continue
        budget.log_characters -= sum(len(line.text) for line in lines)
        budget.logs_shortened += limit == SHORT_LINES < len(recorded)
        yield ConsoleLog(name, lines)


def _shots(
    folder: Path, consoles: RecordedConsoles, budget: PageBudget
) -> Iterator[BootScreenshot]:
    """Yield the last screenshots that differ, in the order in which they were taken."""
    by_digest: dict[bytes, list[Path]] = {}
    for path in sorted(folder.glob(_SCREENS), key=lambda path: _sort_key(path, consoles)):
        by_digest.setdefault(hashlib.sha256(path.read_bytes()).digest(), []).append(path)
    screen = " ".join(line.text for line in consoles.lines.get("screen", ()))
    alike = list(by_digest.values())[-MAX_PICTURES:]
    for paths in alike:
        picture = embed(paths[0])
        if picture is None or picture.size_bytes > budget.pictures_bytes:
            budget.pictures_left_out += 1
            continue
        budget.pictures_bytes -= picture.size_bytes
        yield BootScreenshot(
            stages=", ".join(_stage_of(path) for path in paths),
            t_s=consoles.shots_s.get(paths[0].name),
            picture=picture,
            # The last recognised text belongs to the last screen.
            text=screen if paths is alike[-1] else "",
        )


def _sort_key(path: Path, consoles: RecordedConsoles) -> tuple[float, int, str]:
    """The sort key of a screenshot: its time; without a recorded time, its stage and its name."""
    stage = _stage_of(path)
    place = next((number for number, name in enumerate(STAGES) if name == stage), len(STAGES))
    return consoles.shots_s.get(path.name, float("inf")), place, path.name


def _stage_of(path: Path) -> str:
    return path.stem.removeprefix("screen-")

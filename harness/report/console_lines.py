"""Console output as a report shows it: the last lines, with the decisive ones marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.errors import RecordError, UsageError
from harness.evidence.events import ConsoleText, Screenshot, ScreenText
from harness.evidence.guest_text import printable, strip_escapes
from harness.evidence.log import read_evidence
from harness.trial.result import EVIDENCE_FILE

SERIAL_FILE = "serial.log"
MAX_LINES = 400
"""How many of the last lines of a console are shown; decisive lines are shown in addition."""

_AROUND = 6
_MAX_CHARACTERS = 300
_COMPARED = 100
_MAX_BARE_LOG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """A recorded line, and its second since power-on where that is known."""

    t_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A line of a report. ``left_out`` counts the lines before it that are not shown.

    ``decisive``: the verdict rests on it. ``stage`` is set on the first line after that stage was
    reached.
    """

    t_s: float | None
    text: str
    decisive: bool = False
    stage: str = ""
    left_out: int = 0


@dataclass(slots=True)
class RecordedConsoles:
    """The console output in a run folder, by channel (serial, firmware, screen).

    ``shots_s`` has the time of each screenshot by its file name.
    """

    lines: dict[str, list[ConsoleLine]] = field(default_factory=dict)
    shots_s: dict[str, float] = field(default_factory=dict)


def read_consoles(folder: Path) -> RecordedConsoles:
    """Read the consoles and the last screen recorded in ``folder``; empty without a record.

    The evidence has the time of each line; without evidence, the bare serial log is read.
    """
    consoles = RecordedConsoles()
    try:
        _take_evidence(folder / EVIDENCE_FILE, consoles)
    except (UsageError, RecordError):
        consoles.lines.setdefault("serial", _bare_log(folder / SERIAL_FILE))
    return consoles


def _take_evidence(path: Path, consoles: RecordedConsoles) -> None:
    offsets: dict[str, int] = {}
    for row in read_evidence(path):
        match row.event:
            case ConsoleText(text=text, offset=offset, channel=channel):
                lines = consoles.lines.setdefault(channel, [])
                # A prompt that was continued: the whole line replaces its beginning.
                if lines and offset == offsets.get(channel):
                    lines.pop()
                offsets[channel] = offset
                lines.append(ConsoleLine(row.t_s, text))
            case ScreenText(lines=shown):
                consoles.lines["screen"] = [ConsoleLine(None, line) for line in shown]
            case Screenshot(file=file):
                consoles.shots_s[file] = row.t_s


def _bare_log(path: Path) -> list[ConsoleLine]:
    """Return the last lines of a log that has no evidence; a megabyte at most."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MAX_BARE_LOG_BYTES))
            text = strip_escapes(file.read().decode("utf-8", "replace"))
    except OSError:
        return []
    return [
        ConsoleLine(None, line) for line in text.replace("\r", "\n").split("\n") if line.strip()
    ]


def lines_to_show(
    recorded: Sequence[ConsoleLine],
    evidence: Iterable[str],
    stages_s: Mapping[str, float],
    limit: int = MAX_LINES,
) -> tuple[ReportLine, ...]:
    """Return the last ``limit`` lines, and those quoted in ``evidence`` with their context."""
    decisive = _decisive(recorded, evidence)
    kept = set(range(max(0, len(recorded) - limit), len(recorded)))
    for number in decisive:
        kept |= set(range(max(0, number - _AROUND), min(len(recorded), number + _AROUND + 1)))
    begins = _first_lines(recorded, stages_s)
    lines, following = [], 0
    for number in sorted(kept):
        row = recorded[number]
        # A stage whose first line is left out is named at the next line that is shown.
        stages = [begins[at] for at in range(following, number + 1) if at in begins]
        lines.append(
            ReportLine(
                t_s=row.t_s,
                text=printable(row.text.expandtabs(8), _MAX_CHARACTERS),
                decisive=number in decisive,
                stage=stages[-1] if stages else "",
                left_out=number - following,
            )
        )
        following = number + 1
    return tuple(lines)


def _decisive(recorded: Sequence[ConsoleLine], evidence: Iterable[str]) -> set[int]:
    """Return the numbers of the lines that the evidence quotes.

    Of repeated lines the last ones count, in the order of the evidence. Evidence that harness
    worded itself is in no line, and marks none.
    """
    keys = [_comparable(row.text) for row in recorded]
    found: set[int] = set()
    end = len(keys)
    for wanted in reversed([_comparable(line) for line in evidence]):
        at = next((n for n in range(end - 1, -1, -1) if wanted and keys[n] == wanted), None)
        if at is not None:
            found.add(at)
            end = at
    return found


def _comparable(text: str) -> str:
    """Return the compared part: the first characters, blanks collapsed; evidence may be cut."""
    return " ".join(printable(text).split())[:_COMPARED]


def _first_lines(recorded: Sequence[ConsoleLine], stages_s: Mapping[str, float]) -> dict[int, str]:
    """Return the stage that had just been reached at a line, by the number of the line."""
    begins: dict[int, str] = {}
    for stage, reached_s in sorted(stages_s.items(), key=lambda item: item[1]):
        number = next((n for n, row in enumerate(recorded) if (row.t_s or -1) >= reached_s), None)
        if number is not None:
            begins[number] = stage
    return begins

"""What a guest said, line by line, as a report shows it: cut to its end, what decided marked."""

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
"""Of a console, its last lines; those that decided, and what is around them, stand beside."""

_AROUND = 6
_MAX_CHARACTERS = 300
_COMPARED = 100
_MAX_BARE_LOG_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ConsoleLine:
    """A line, and its second since power-on where that is known."""

    t_s: float | None
    text: str


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A line of a report. ``left_out`` is how many before it are not shown.

    ``decisive`` is one that the verdict stands on; ``stage`` is the stage that had been reached
    when it came, where it is the first one to come then.
    """

    t_s: float | None
    text: str
    decisive: bool = False
    stage: str = ""
    left_out: int = 0


@dataclass(slots=True)
class RecordedConsoles:
    """What a run folder holds of a guest's words, by where they were seen.

    ``shots_s`` has the moment of each screenshot by the name of its file.
    """

    said: dict[str, list[ConsoleLine]] = field(default_factory=dict)
    shots_s: dict[str, float] = field(default_factory=dict)


def read_consoles(folder: Path) -> RecordedConsoles:
    """The consoles and the last screen recorded in ``folder``; nothing where there is no record.

    The evidence has the second of each line; without it the bare serial log is read.
    """
    heard = RecordedConsoles()
    try:
        _take_evidence(folder / EVIDENCE_FILE, heard)
    except (UsageError, RecordError):
        heard.said.setdefault("serial", _bare_log(folder / SERIAL_FILE))
    return heard


def _take_evidence(path: Path, heard: RecordedConsoles) -> None:
    offsets: dict[str, int] = {}
    for row in read_evidence(path):
        match row.event:
            case ConsoleText(text=text, offset=offset, channel=channel):
                lines = heard.said.setdefault(channel, [])
                # A prompt that went on: the whole line stands where its beginning stood.
                if lines and offset == offsets.get(channel):
                    lines.pop()
                offsets[channel] = offset
                lines.append(ConsoleLine(row.t_s, text))
            case ScreenText(lines=shown):
                heard.said["screen"] = [ConsoleLine(None, line) for line in shown]
            case Screenshot(file=file):
                heard.shots_s[file] = row.t_s


def _bare_log(path: Path) -> list[ConsoleLine]:
    """The end of a log without its evidence; a megabyte at most."""
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
    said: Sequence[ConsoleLine],
    evidence: Iterable[str],
    stages_s: Mapping[str, float],
    limit: int = MAX_LINES,
) -> tuple[ReportLine, ...]:
    """The last ``limit`` lines of ``said``, and those of ``evidence`` with what is around them."""
    decisive = _decisive(said, evidence)
    kept = set(range(max(0, len(said) - limit), len(said)))
    for number in decisive:
        kept |= set(range(max(0, number - _AROUND), min(len(said), number + _AROUND + 1)))
    begins = _first_lines(said, stages_s)
    lines, following = [], 0
    for number in sorted(kept):
        row = said[number]
        # A stage whose first line is left out is said at the next that is shown.
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


def _decisive(said: Sequence[ConsoleLine], evidence: Iterable[str]) -> set[int]:
    """Which lines the evidence quotes.

    A guest says many things twice; of them the last ones count, in the order of the evidence. What
    the evidence says in words of its own is in no line, and marks none.
    """
    keys = [_key(row.text) for row in said]
    found: set[int] = set()
    end = len(keys)
    for wanted in reversed([_key(line) for line in evidence]):
        at = next((n for n in range(end - 1, -1, -1) if wanted and keys[n] == wanted), None)
        if at is not None:
            found.add(at)
            end = at
    return found


def _key(text: str) -> str:
    """What is compared: the beginning, without how it is spaced; evidence may be cut behind it."""
    return " ".join(printable(text).split())[:_COMPARED]


def _first_lines(said: Sequence[ConsoleLine], stages_s: Mapping[str, float]) -> dict[int, str]:
    """Which stage had just been reached when a line came, by the number of the line."""
    begins: dict[int, str] = {}
    for stage, reached_s in sorted(stages_s.items(), key=lambda item: item[1]):
        number = next((n for n, row in enumerate(said) if (row.t_s or -1) >= reached_s), None)
        if number is not None:
            begins[number] = stage
    return begins

"""The texts of the panels beside the serial line: ladder, diagnosis, traffic, rules, log."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from rich.text import Text

from harness.console.view import TimedLine, View
from harness.evidence.guest_text import printable
from harness.model.outcome import Outcome
from harness.report.findings import PANEL, shown_finding
from harness.report.result_text import OUTCOME_STYLES, size_text

_STATES = {"running": "bold green", "frozen": "bold cyan", "off": "bold red"}
_BAR_CELLS = 12
_FRAMES = 6
# A quoted line must fit in one line of the page.
_QUOTED_CHARS = 76


def headline(view: View, now_s: float) -> Text:
    """Return image, provider and state of the machine at this moment."""
    boot = view.boots[-1].title if view.boots else ""
    text = Text(no_wrap=True, overflow="ellipsis")
    text.append(" harness ", "bold reverse")
    text.append(f"  {view.image.rpartition('/')[2]}", "bold")
    text.append(f"  {view.provider} \u00b7 {view.firmware}", "dim")
    if boot:
        text.append(f" \u00b7 {boot}", "yellow")
    text.append("   \u25cf ", _STATES[view.state])
    text.append(view.state, _STATES[view.state])
    text.append(f"   {_time(now_s)}", "bold cyan")
    return text


def ladder(view: View, now_s: float) -> Text:
    """Return the stages, each with its second and the duration until the next."""
    rungs = view.ladder
    text = Text()
    reached = [rung.at_s for rung in rungs if rung.at_s is not None]
    now_s = max([now_s - view.started_s, *reached])
    longest_s = _longest(reached, now_s)
    for rung in rungs:
        if text:
            text.append("\n")
        if rung.at_s is None:
            text.append(f" \u00b7 {rung.stage}", "dim")
            continue
        is_here = rung.stage == view.stage
        waits = is_here and view.verdict is None and view.state == "running"
        text.append(" \u25b6 " if is_here else " \u2713 ", "bold green" if is_here else "green")
        text.append(f"{rung.stage:<11}", "bold" if is_here else "")
        text.append(f"{rung.at_s:8.1f} s  ", "cyan")
        end_s = min((at_s for at_s in reached if at_s > rung.at_s), default=None)
        lasted_s = (now_s if end_s is None else end_s) - rung.at_s
        if end_s is not None or waits:
            cells = round(lasted_s / longest_s * _BAR_CELLS) if longest_s else 0
            text.append("\u2501" * max(cells, 1), "green" if waits else "#5b84d6")
            text.append(f" {lasted_s:.1f}", "bold green" if waits else "dim")
    return text


def _longest(reached: list[float], now_s: float) -> float:
    times_s = sorted({*reached, now_s})
    return max((b - a for a, b in itertools.pairwise(times_s)), default=0.0)


def diagnosis(view: View) -> Text:
    """Return the verdict or the diagnosis so far, and the findings."""
    text = Text()
    verdict = view.verdict
    if verdict:
        text.append(f"{verdict.outcome.upper()} ", _outcome_style(verdict.outcome))
        text.append(f"at {verdict.at_s:.1f} s  ", "cyan")
        text.append(f"{verdict.cause}\n" if verdict.cause else "\n", "dim")
    text.append(printable(view.sentence, 600), "bold" if verdict else "")
    if view.rolled_back:
        text.append("\n(the machine was rolled back since)", "dim")
    cause = verdict.cause if verdict else None
    for row in (shown_finding(row, PANEL, cause) for row in view.findings):
        text.append(f"\n\n{row.mark} ", f"bold {row.colour}")
        text.append(row.id, row.colour)
        if not row.decides:
            text.append(f"\n{row.statement}")
        for line in row.evidence:
            text.append(f"\n  \u2502 {line}", "dim")
        if row.advice:
            text.append(f"\n  \u2192 {row.advice}", "italic")
    return text


def _outcome_style(outcome: Outcome) -> str:
    return OUTCOME_STYLES[outcome]


def traffic(view: View) -> Text:
    """Return the bytes of the disk, the frames of the NIC, and the last frames in words."""
    seen = view.traffic
    text = Text("disk ", "dim")
    text.append(f"{size_text(seen.read_bytes)} read", "bold")
    text.append(f", {size_text(seen.written_bytes)} written")
    if seen.iso_read_bytes:
        text.append(f"\ndisc {size_text(seen.iso_read_bytes)} read")
    text.append("\nNIC  ", "dim")
    text.append(f"{seen.frames} frames", "bold")
    text.append(" of the guest")
    for frame in list(seen.last_frames)[-_FRAMES:]:
        text.append(f"\n{frame.at_s:6.1f} s  ", "cyan")
        text.append(frame.text)
    return text


def rules(view: View) -> Text:
    """Return the rules that matched: time, channel, line, and what they prove."""
    text = Text()
    for row in view.rules:
        text.append(f"{row.at_s:8.1f} s  ", "cyan")
        text.append(row.rule, "bold")
        text.append(f"  {row.channel}", "dim")
        text.append(f"  \u2192 {row.proves}", "green" if row.is_progress else "yellow")
        text.append(f"  \u00d7{row.count}\n" if row.count > 1 else "\n", "dim")
        if row.line:
            text.append(f"            \u2502 {printable(row.line, _QUOTED_CHARS)}\n", "dim")
    return text or Text("No rule has fired yet.", "dim")


def log(lines: Iterable[TimedLine]) -> Text:
    """Return the events of QEMU and the actions of the person."""
    text = Text()
    for line in lines:
        text.append(f"{line.at_s:8.1f} s  ", "cyan")
        text.append(f"{line.text}\n")
    return text or Text("QEMU has told nothing yet.", "dim")


def screen(lines: Iterable[str], note: str = "") -> Text:
    """Return the guest's screen as text."""
    text = Text("\n".join(lines))
    return text if text.plain.strip() else Text(note or "Nothing on it can be read.", "dim")


def _time(seconds: float) -> str:
    minutes, rest = divmod(max(0.0, seconds), 60)
    return f"{int(minutes)}:{rest:04.1f}"

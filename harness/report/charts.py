"""The geometry of the charts: plain numbers, which a template draws as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.matrix.record import CaseRow, PastResult
from harness.model.stages import DISK_LADDER, ISO_LADDER
from harness.report.row_words import duration, earlier_outcome_text, moment
from harness.trial.result import Result

MAX_POINTS = 60
"""How many earlier results a chart shows: the last ones."""

_WIDTH = 240.0
_HEIGHT = 48.0
_MARGIN = 6.0
# The smallest visible bar.
_LEAST_PERCENT = 0.4


@dataclass(frozen=True, slots=True)
class StageBar:
    """A stage and its share of a time scale, in percent; ``at_s`` is None if it was not seen.

    ``passed``: the boot must have passed it unseen, since it reached a later stage.
    """

    stage: str
    at_s: float | None
    x: float = 0.0
    width: float = 0.0
    passed: bool = False


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """One result: its place in the chart, and its text."""

    x: float
    y: float
    judgement: str
    text: str


@dataclass(frozen=True, slots=True)
class Sparkline:
    """The verdicts of an image over time. ``path`` joins the points; the last is current."""

    points: tuple[ChartPoint, ...]
    path: str
    slowest: str
    first: str
    last: str


def stage_times(result: Result) -> dict[str, float]:
    """Return the time of each reached stage, in seconds since power-on, in ladder order."""
    ladder = ISO_LADDER if result.image.format == "iso" else DISK_LADDER
    return {stage: result.timings_s[stage] for stage in ladder if stage in result.timings_s}


def timeline(result: Result, scale_s: float) -> tuple[StageBar, ...]:
    """Return a bar for every stage; a reached one lasts until the next stage or the verdict."""
    ladder = ISO_LADDER if result.image.format == "iso" else DISK_LADDER
    reached = stage_times(result)
    end_s = max([result.timings_s.get("verdict", 0.0), *reached.values()])
    # Sorted by time: a stage that was seen late (a reset, a lost line) is not drawn backwards.
    starts = sorted(reached.values())
    furthest = max((number for number, stage in enumerate(ladder) if stage in reached), default=-1)
    bars = []
    for stage in ladder:
        if stage not in reached:
            bars.append(StageBar(stage, None, passed=ladder.index(stage) < furthest))
            continue
        at_s = reached[stage]
        until_s = next((start for start in starts if start > at_s), end_s)
        width = max(_LEAST_PERCENT, _percent(until_s - at_s, scale_s))
        bars.append(
            StageBar(stage, at_s, min(_percent(at_s, scale_s), 100 - _LEAST_PERCENT), width)
        )
    return tuple(bars)


def _percent(seconds: float, scale_s: float) -> float:
    return round(100 * seconds / scale_s, 2) if scale_s > 0 else 0.0


def sparkline(row: CaseRow, history: Sequence[PastResult]) -> Sparkline | None:
    """Return the chart of ``row`` and its earlier results; None if there are none.

    The time axis begins at 0; a result without a boot is left out.
    """
    earlier = [past for past in history if past.verdict_s > 0][-MAX_POINTS:]
    now_s = row.result.timings_s.get("verdict", 0.0)
    if not earlier or now_s <= 0:
        return None
    times = [*(past.verdict_s for past in earlier), now_s]
    judgements = [*(past.judgement for past in earlier), row.judgement]
    texts = [f"{moment(past.at)}: {earlier_outcome_text(past)}" for past in earlier]
    texts.append(f"{moment(row.started_at)}: this one")
    top_s, step = max(times), (_WIDTH - 2 * _MARGIN) / (len(times) - 1)
    points = tuple(
        ChartPoint(
            x=round(_MARGIN + number * step, 1),
            y=round(_HEIGHT - _MARGIN - (_HEIGHT - 2 * _MARGIN) * time_s / top_s, 1),
            judgement=judgement,
            text=f"{text}, {duration(time_s)}",
        )
        for number, (time_s, judgement, text) in enumerate(
            zip(times, judgements, texts, strict=True)
        )
    )
    path = "M" + " L".join(f"{point.x} {point.y}" for point in points)
    return Sparkline(points, path, duration(top_s), moment(earlier[0].at), duration(now_s))

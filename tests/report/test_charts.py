"""The geometry of the charts."""

from __future__ import annotations

from harness.report.charts import MAX_POINTS, sparkline, timeline
from tests.report.samples import panic, past, result, tried


def test_a_stage_lasts_until_the_next_or_the_verdict() -> None:
    bars = {bar.stage: bar for bar in timeline(panic(), 12.5)}
    assert (bars["kernel"].x, bars["kernel"].width) == (48.0, 24.0)
    assert (bars["initrd"].x, bars["initrd"].width) == (72.0, 28.0)
    assert bars["root"].at_s is None
    assert not bars["root"].passed


def test_skipped_stage_differs_from_one_not_reached() -> None:
    bars = {bar.stage: bar for bar in timeline(result(), 30.0)}
    assert bars["root"].at_s is None
    assert bars["root"].passed
    assert not bars["ready"].passed


def test_every_bar_lies_inside_the_scale() -> None:
    for came in (result(), panic(), result(stage=None, timings_s={"verdict": 0.0})):
        for bar in timeline(came, came.timings_s["verdict"]):
            assert 0 <= bar.x <= 100
            assert bar.x + bar.width <= 100.5


def test_sparkline_shows_earlier_results() -> None:
    chart = sparkline(tried("a", panic()), [past(1), past(2, judgement="wrong")])
    assert chart is not None
    assert [point.judgement for point in chart.points] == ["right", "wrong", "wrong"]
    # Higher is slower, and the time begins at 0 below: 11, 12 and 12.5 s.
    assert [point.y for point in chart.points] == [10.3, 7.4, 6.0]
    assert chart.last == "12.5 s"


def test_sparkline_needs_an_earlier_boot() -> None:
    assert sparkline(tried("a", panic()), []) is None
    assert sparkline(tried("a", panic()), [past(1, verdict_s=0.0)]) is None
    assert sparkline(tried("a", result(timings_s={})), [past(1)]) is None


def test_sparkline_is_limited_to_the_last_results() -> None:
    chart = sparkline(tried("a", panic()), [past(1)] * 500)
    assert chart is not None
    assert len(chart.points) == MAX_POINTS + 1

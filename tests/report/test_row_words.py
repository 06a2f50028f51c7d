"""The wording that all reports share."""

from __future__ import annotations

import datetime

import pytest

from harness.matrix.record import NewsItem
from harness.report.row_words import (
    counts,
    duration,
    headline,
    listed_news,
    moment,
    reason_text,
    safe_line,
    worst_first,
)
from tests.report.samples import matrix, panic, result, tried


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0.04, "0.0 s"),
        (48.24, "48.2 s"),
        (119.94, "119.9 s"),
        (123, "2 min 03 s"),
        (7199.4, "119 min 59 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_duration_has_a_readable_unit(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_moment_is_in_utc() -> None:
    berlin = datetime.timezone(datetime.timedelta(hours=2))
    at = datetime.datetime(2026, 7, 1, 0, 30, tzinfo=berlin)
    assert moment(at) == "2026-06-30 22:30 UTC"


def test_safe_line_is_printable_in_any_encoding() -> None:
    line = safe_line("a\nb\x1b[31m \ud800" + "x" * 5000, 50)
    assert len(line) <= 50
    assert "\n" not in line
    assert "\x1b" not in line
    line.encode("utf-8")


def test_worst_rows_come_first_and_all_are_counted() -> None:
    whole = matrix(
        tried("right", result()),
        tried("spoiled", result(outcome="error", stage=None, cause="host.no-space")),
        tried("wrong", panic()),
        missing=("never",),
    )
    assert [row.name for row in worst_first(whole)] == ["wrong", "spoiled", "right"]
    assert counts(whole) == {"wrong": 1, "error": 1, "missing": 1, "right": 1}
    said = "1 of 4 images are as expected, 1 is not, of 1 a host failed, 1 not tried"
    assert headline(whole) == said


def test_headline_of_one_image_is_singular() -> None:
    assert headline(matrix()) == "No image was tried"
    assert headline(matrix(tried("a", result()))) == "The image is as expected"
    assert headline(matrix(tried("a", panic()))) == "The image is not as expected"
    both = matrix(tried("a", result()), tried("b", result()))
    assert headline(both) == "All 2 images are as expected"


def test_many_images_without_an_earlier_result_are_one_line() -> None:
    news = [NewsItem(name=f"image-{number}", kind="new", statement="x") for number in range(7)]
    broken = NewsItem(name="b", kind="broken", statement="It passed before.")
    few = listed_news(matrix(news=(*news[:5], broken)))
    assert [row.name for row in few] == ["b", *(row.name for row in news[:5])]
    rows = listed_news(matrix(news=(*news, broken)))
    assert [row.name for row in rows] == ["b", "7 images"]
    assert rows[1].statement.endswith("image-3, image-4 and 2 more.")


def test_reason_text_names_the_cause_or_the_expectation() -> None:
    assert reason_text(tried("a", panic())) == "The kernel panicked."
    lost = result(outcome="inconclusive", stage="kernel")
    assert reason_text(tried("a", lost)) == "Nothing proves either; pass was expected."

"""The end of a matrix on a terminal."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from rich.console import Console

from harness.matrix.record import Matrix, NewsItem
from harness.report.matrix_text import print_matrix
from tests.report.samples import hostile, matrix, nightly, panic, result, tried


def shown(whole: Matrix, width: int = 100, **more: Any) -> str:
    console = Console(file=io.StringIO(), width=width)
    print_matrix(console, whole, **more)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_news_then_what_is_not_right_then_the_counts() -> None:
    text = shown(nightly(), reports={"html": Path("out/report.html")})
    parts = [
        "broken   bad  It passed before.  since 2026-11-20 03:15 UTC",
        "\u2717 bad  FAIL boot.kernel-panic  12.5 s  expected pass",
        "The kernel panicked.",
        "\u2192 Read the lines before the panic",
        "! spoiled  ERROR host.no-space",
        "\u2013 never-tried  not tried",
        "2 of 5 images are as expected, 1 is not, of 1 a host failed, 1 not tried.",
        "html     out/report.html",
    ]
    places = [text.index(part) for part in parts]
    assert places == sorted(places)
    assert "good" not in text


def test_one_line_if_all_is_right() -> None:
    assert shown(matrix(tried("a", result()))) == "The image is as expected.\n"


def test_all_rows_are_listed_on_request() -> None:
    text = shown(nightly(), all_rows=True)
    assert "\u2713 good  PASS network  30.0 s" in text


def test_rows_are_limited() -> None:
    rows = [tried(f"image-{number}", panic()) for number in range(300)]
    text = shown(matrix(*rows))
    assert "and 250 more" in text
    assert text.count("expected pass") == 50


def test_hostile_texts_are_harmless() -> None:
    text = shown(hostile(), all_rows=True)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert not [line for line in text.splitlines() if line.startswith("::")]


def test_many_images_that_are_new_are_one_line() -> None:
    rows = [tried(f"image-{number}", result()) for number in range(60)]
    new = [
        NewsItem(name=row.name, kind="new", statement="The first result: passes.") for row in rows
    ]
    broken = NewsItem(name="old", kind="broken", statement="It passed before.")
    whole = matrix(*rows).model_copy(update={"news": (*new, broken)})
    lines = shown(whole).splitlines()
    assert [line.split()[0] for line in lines[:2]] == ["broken", "new"]
    assert "60 images" in lines[1]
    assert "image-0, image-1" in lines[1]
    few = matrix(*rows).model_copy(update={"news": tuple(new[:3])})
    assert shown(few).count("The first result") == 3

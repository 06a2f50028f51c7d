"""The summary for a CI, as a reader of Markdown sees it."""

from __future__ import annotations

import html
import re

from markdown_it import MarkdownIt

from harness.report.markdown import markdown
from tests.report.samples import HOSTILE, hostile, matrix, nightly, panic, result, tried

OWN_TAGS = {
    "h2",
    "h3",
    "p",
    "ul",
    "li",
    "strong",
    "code",
    "details",
    "summary",
    "sub",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
}


def rendered(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


def cells(page: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)
    return [
        [
            html.unescape(re.sub(r"<[^>]+>", "", cell)).strip()
            for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
        ]
        for row in rows
    ]


def test_counts_news_and_tables() -> None:
    page = rendered(markdown(nightly()))
    assert "<h2>2 of 5 images are as expected" in page
    assert "<strong>broken</strong> <code>bad</code> It passed before." in page
    assert "Not tried: <code>never-tried</code>" in page
    rows = cells(page)
    assert rows[1] == [
        "\u274c bad",
        "fail, initrd, boot.kernel-panic",
        "pass",
        "The kernel panicked.",
        "Read the lines before the panic in the serial log: the last one that names a device or a "
        "file is where to begin.",
    ]
    assert [row[1] for row in rows[-4:]] == ["bad", "spoiled", "good", "as-expected"]


def test_summary_is_short_if_all_is_right() -> None:
    page = rendered(markdown(matrix(tried("a", result()), tried("b", result()))))
    assert "<h2>All 2 images are as expected</h2>" in page
    assert page.count("<table>") == 1
    assert page.index("<details>") < page.index("<table>") < page.index("</details>")


def test_hostile_texts_stay_text() -> None:
    text = markdown(hostile())
    page = rendered(text)
    assert set(re.findall(r"<([a-z0-9]+)", page)) <= OWN_TAGS
    assert "href" not in page
    assert "www.b" not in text  # GitHub makes a link of it
    assert "://" not in text
    widths = {len(row) for row in cells(page)}
    assert widths == {5}
    assert "\x1b" not in text
    shown = [cell for row in cells(page) for cell in row]
    assert any(HOSTILE[:60] in cell for cell in shown)


def test_a_summary_that_is_too_large_says_what_it_leaves_out() -> None:
    rows = [tried(f"image-{number}", panic()) for number in range(1000)]
    text = markdown(matrix(*rows), max_bytes=50_000)
    assert len(text.encode()) <= 50_000
    left_out = [
        int(number) for number in re.findall(r"^(\d+) images .*left out", text, re.MULTILINE)
    ]
    shown = [
        len(re.findall(rf"^\| \u274c {cell}<code>", text, re.MULTILINE)) for cell in ("", r"\| ")
    ]
    assert shown[0] > 100
    assert left_out == [1000 - count for count in shown]
    assert "</details>" in text
    assert text.rstrip().endswith("</sub>")


def test_ten_thousand_images_fit() -> None:
    rows = [tried(f"image-{number}", panic()) for number in range(10_000)]
    assert len(markdown(matrix(*rows)).encode()) <= 900_000

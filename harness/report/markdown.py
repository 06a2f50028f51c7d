"""A matrix as Markdown: the summary that CI shows on the page of a run."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from harness.matrix.record import CaseRow, Matrix
from harness.report import row_words
from harness.report.findings import shown_finding

MAX_BYTES = 900_000
"""The largest size of a summary; GitHub refuses more than a MiB."""

_CELL_LIMIT = 300
_MAX_NEWS = 100
_MARKS = {"right": "\u2705", "wrong": "\u274c", "error": "\u26a0\ufe0f"}
# The characters that Markdown, GitHub's autolinks and HTML interpret. As a character reference
# each is shown as it is, also in a table cell.
_SPECIAL = re.compile(r"(?<=www)\.|[\"#$&()*:<>@\[\\\]^_`{|}~]", re.IGNORECASE)


def markdown(matrix: Matrix, max_bytes: int = MAX_BYTES) -> str:
    """Return the summary: counts, news, rows that are not right with cause and remedy, all rows.

    If it would exceed ``max_bytes`` in UTF-8, rows are left out, and their number is given.
    """
    rows = row_words.worst_first(matrix)
    bad = [row for row in rows if row.judgement != "right"]
    page = _Page(max_bytes)
    page.add([f"## {_safe(row_words.headline(matrix))}", ""])
    page.add(_news(matrix))
    page.add_rows(_BAD_HEAD, [_bad_row(row) for row in bad], (), "images that are not right")
    page.add(_missing(matrix))
    head = ["", f"<details><summary>All {len(rows)} images</summary>", "", *_ALL_HEAD]
    page.add_rows(head, [_row(row) for row in rows], ("", "</details>"), "images")
    page.add(["", f"<sub>{_safe(_last_line(matrix))}</sub>", ""])
    return page.text


_BAD_HEAD = ("| image | seen | expected | why | what to do |", "|---|---|---|---|---|")
_ALL_HEAD = ("| | image | seen | expected | verdict after |", "|---|---|---|---|--:|")
# For the text after a table: the number of rows left out, its end, the last line.
_RESERVED_BYTES = 1000


class _Page:
    """A list of lines up to a number of bytes."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes - _RESERVED_BYTES
        self._lines: list[str] = []

    @property
    def text(self) -> str:
        return "\n".join(self._lines)

    def add(self, lines: Iterable[str]) -> None:
        """Add ``lines``, which must be few."""
        for line in lines:
            self._lines.append(line)
            self._left -= len(line.encode()) + 1

    def add_rows(
        self, head: Sequence[str], rows: Sequence[str], tail: Sequence[str], name: str
    ) -> None:
        """Add a table with as many of its ``rows`` as fit; nothing if there are none."""
        if not rows:
            return
        self.add(head)
        for number, row in enumerate(rows):
            if len(row.encode()) + 1 > self._left:
                self._lines += ["", f"{len(rows) - number} {name} more are left out."]
                break
            self.add([row])
        self.add([*tail, ""])


def _news(matrix: Matrix) -> Iterator[str]:
    news = row_words.listed_news(matrix)
    if not news:
        return
    yield "### What is new"
    yield ""
    for row in news[:_MAX_NEWS]:
        since = f" (since {row_words.moment(row.since)})" if row.since else ""
        yield f"- **{row.kind}** {_code(row.name)} {_safe(row.statement)}{_safe(since)}"
    if len(news) > _MAX_NEWS:
        yield f"- and {len(news) - _MAX_NEWS} more"
    yield ""


def _missing(matrix: Matrix) -> Iterator[str]:
    if not matrix.missing:
        return
    names = [_code(name) for name in matrix.missing[:_MAX_NEWS]]
    more = len(matrix.missing) - len(names)
    yield f"Not tried: {', '.join(names)}{f' and {more} more' if more else ''}"
    yield ""


def _bad_row(row: CaseRow) -> str:
    cause = row.result.cause_finding
    remedy = shown_finding(cause).advice if cause else ""
    return _cells(
        f"{_MARKS[row.judgement]} {_code(row.name)}",
        _safe(row_words.outcome_text(row.result)),
        _safe(row_words.expectation_text(row.expected)),
        _safe(row_words.reason_text(row)),
        _safe(remedy),
    )


def _row(row: CaseRow) -> str:
    verdict_s = row.result.timings_s.get("verdict", 0.0)
    return _cells(
        _MARKS[row.judgement],
        _code(row.name),
        _safe(row_words.outcome_text(row.result)),
        _safe(row_words.expectation_text(row.expected)),
        row_words.duration(verdict_s) if row.result.stage else "not booted",
    )


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _last_line(matrix: Matrix) -> str:
    ended = f", ended {row_words.moment(matrix.ended_at)}" if matrix.ended_at else ", has not ended"
    return f"harness {matrix.version}, began {row_words.moment(matrix.started_at)}{ended}"


def _safe(text: str) -> str:
    """Return ``text`` so that Markdown shows it literally: one line, no markup, no link."""
    return _SPECIAL.sub(_reference, row_words.safe_line(text, _CELL_LIMIT))


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"


def _code(text: str) -> str:
    """Return ``text`` as inline code."""
    return f"<code>{_safe(text)}</code>"

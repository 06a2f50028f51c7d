"""The summary of a matrix on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.matrix.record import CaseRow, Judgement, Matrix, NewsItem
from harness.report import row_words
from harness.report.findings import shown_finding
from harness.report.result_text import OUTCOME_STYLES

_MAX_ROWS = 50
_MARKS: dict[Judgement, tuple[str, str]] = {
    "right": ("\u2713", "green"),
    "wrong": ("\u2717", "red"),
    "error": ("!", "magenta"),
}
_NEWS_STYLES = {
    "broken": "bold red",
    "fixed": "bold green",
    "faster": "green",
    "changed": "yellow",
    "flaky": "yellow",
    "slower": "yellow",
    "new": "cyan",
}


def print_matrix(
    console: Console,
    matrix: Matrix,
    reports: Mapping[str, Path] | None = None,
    *,
    all_rows: bool = False,
) -> None:
    """Print the news, the rows that are not right and why, the counts, and where ``reports`` are.

    Fifty rows at most; with ``all_rows``, rows that are right too.
    """
    news = row_words.listed_news(matrix)[:_MAX_ROWS]
    for row in news:
        console.print(_news(row))
    if news:
        console.print()
    rows = row_words.worst_first(matrix)
    listed = rows if all_rows else [row for row in rows if row.judgement != "right"]
    if listed:
        console.print(_table(listed[:_MAX_ROWS]))
    if len(listed) > _MAX_ROWS:
        console.print(Text(f"  and {len(listed) - _MAX_ROWS} more", "dim"))
    for name in matrix.missing[:_MAX_ROWS]:
        console.print(
            Text.assemble(
                ("  \u2013 ", "yellow"), row_words.safe_line(name), ("  not tried", "dim")
            )
        )
    if listed or matrix.missing:
        console.print()
    bad = len(matrix.missing) + sum(row.judgement != "right" for row in rows)
    console.print(Text(f"{row_words.headline(matrix)}.", "bold red" if bad else "bold green"))
    for kind, path in (reports or {}).items():
        # Not wrapped: a path must be easy to copy.
        where = Text.assemble((f"  {kind:<9}", "dim"), row_words.safe_line(str(path)))
        console.print(where, soft_wrap=True)


def _news(row: NewsItem) -> Text:
    line = Text.assemble(
        (f"  {row.kind:<9}", _NEWS_STYLES[row.kind]),
        (row_words.safe_line(row.name, 100), "bold"),
        f"  {row_words.safe_line(row.statement)}",
    )
    if row.since:
        line.append(f"  since {row_words.moment(row.since)}", "dim")
    return line


def _table(rows: list[CaseRow]) -> Table:
    """Return a table with a line for each row, and under it the reason and the remedy."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=3, justify="right")
    table.add_column()
    for row in rows:
        table.add_row(Text(*_MARKS[row.judgement]), _line(row))
        if row.judgement == "right":
            continue
        table.add_row("", Text(row_words.safe_line(row_words.reason_text(row))))
        cause = row.result.cause_finding
        advice = shown_finding(cause).advice if cause else ""
        if advice:
            table.add_row("", Text.assemble(("\u2192 ", "green"), row_words.safe_line(advice)))
    return table


def _line(row: CaseRow) -> Text:
    result = row.result
    line = Text.assemble(
        (row_words.safe_line(row.name, 100), "bold"),
        "  ",
        (result.outcome.upper(), OUTCOME_STYLES[result.outcome]),
        f" {row_words.safe_line(result.cause or result.stage or '')}".rstrip(),
    )
    if result.stage:
        line.append(f"  {row_words.duration(result.timings_s.get('verdict', 0.0))}", "cyan")
    if row.judgement != "right":
        line.append(f"  expected {row_words.expectation_text(row.expected)}", "dim")
    return line

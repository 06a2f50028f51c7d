"""The wording that all reports of a matrix share: order, counts, one line for each row."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable

from harness.evidence.guest_text import printable
from harness.matrix.catalog import Expectation
from harness.matrix.record import CaseRow, Judgement, Matrix, NewsItem, PastResult
from harness.trial.result import Result

TEXT_LIMIT = 1000
"""How many characters of one text a report shows."""

_ORDER: tuple[Judgement, ...] = ("wrong", "error", "right")
# Up to this many new images are named one by one.
_FIRST_ALONE = 5


def safe_line(text: str, limit: int = TEXT_LIMIT) -> str:
    """Return ``text`` as one printable line of at most ``limit`` characters, safe in any encoding.

    A lone surrogate, which JSON may contain, becomes a question mark.
    """
    return printable(text.encode("utf-8", "replace").decode("utf-8"), limit)


def worst_first(matrix: Matrix) -> list[CaseRow]:
    """Return the rows: not as expected first, then host faults, then those that are right."""
    return sorted(matrix.tried, key=lambda row: _ORDER.index(row.judgement))


def counts(matrix: Matrix) -> dict[str, int]:
    """Count the rows that are ``wrong``, ``error``, ``missing`` and ``right``."""
    of = Counter(row.judgement for row in matrix.tried)
    return {
        "wrong": of["wrong"],
        "error": of["error"],
        "missing": len(matrix.missing),
        "right": of["right"],
    }


def headline(matrix: Matrix) -> str:
    """Return the result of the matrix in one sentence."""
    of = counts(matrix)
    total = sum(of.values())
    if total == 0:
        return "No image was tried"
    if of["right"] == total:
        return "The image is as expected" if total == 1 else f"All {total} images are as expected"
    if total == 1:
        return {
            "wrong": "The image is not as expected",
            "error": "A host failed: nothing is said about the image",
            "missing": "The image was not tried",
        }[next(kind for kind, count in of.items() if count)]
    said = [f"{of['right']} of {total} images are as expected"]
    said += [f"{of['wrong']} {'is' if of['wrong'] == 1 else 'are'} not"] if of["wrong"] else []
    said += [f"of {of['error']} a host failed"] if of["error"] else []
    said += [f"{of['missing']} not tried"] if of["missing"] else []
    return ", ".join(said)


def listed_news(matrix: Matrix) -> list[NewsItem]:
    """Return the news, one line each; many images without an earlier result share one line.

    Their results are in the table.
    """
    known = [row for row in matrix.news if row.kind != "new"]
    first = [row for row in matrix.news if row.kind == "new"]
    if len(first) <= _FIRST_ALONE:
        return [*known, *first]
    names = ", ".join(row.name for row in first[:_FIRST_ALONE])
    statement = f"None of them has an earlier result: {names} and {len(first) - _FIRST_ALONE} more."
    return [*known, NewsItem(name=f"{len(first)} images", kind="new", statement=statement)]


def outcome_text(result: Result) -> str:
    """Return outcome, stage and cause: ``fail, initrd, boot.disk-not-found``."""
    return _joined([result.outcome, result.stage, result.cause])


def expectation_text(expected: Expectation) -> str:
    """Return the expectation of a catalog, in the same form."""
    return _joined([expected.outcome, " or ".join(expected.stages), expected.cause])


def earlier_outcome_text(past: PastResult) -> str:
    """Return an earlier result, in the same form."""
    return _joined([past.outcome, past.stage, past.cause])


def _joined(words: Iterable[str | None]) -> str:
    return ", ".join(word for word in words if word)


def reason_text(row: CaseRow) -> str:
    """Return in one sentence why a row is not right: its cause, or the expectation."""
    cause = row.result.cause_finding
    if cause:
        return cause.statement
    if row.result.outcome == "inconclusive":
        return f"Nothing proves either; {expectation_text(row.expected)} was expected."
    if row.differs == ("prediction",):
        return "It came as expected, and inspection predicted otherwise."
    return f"{outcome_text(row.result)}; {expectation_text(row.expected)} was expected."


def moment(at: datetime.datetime) -> str:
    """Return a time to the minute, in UTC."""
    return f"{at.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def duration(seconds: float) -> str:
    """Return a readable duration: ``48.2 s``, ``12 min 03 s``, ``2 h 05 min``."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 120:
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"

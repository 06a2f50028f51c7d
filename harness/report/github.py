"""A matrix on GitHub: the summary of a step, and annotations of a run.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.errors import NoSpaceError
from harness.matrix.record import CaseRow, Matrix
from harness.report import row_words
from harness.report.findings import shown_finding
from harness.report.markdown import MAX_BYTES, markdown

MAX_ANNOTATIONS = 10
"""How many errors of one step GitHub shows; the last one says how many more there are."""

_SUMMARY_LIMIT_BYTES = 1 << 20


def report_to_github(matrix: Matrix, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Append the summary where GitHub asks for one, and return the annotations to print on stdout.

    Outside of GitHub Actions nothing is written or returned. Raises HostError if the summary
    cannot be written.
    """
    if path := environ.get("GITHUB_STEP_SUMMARY"):
        _append_summary(matrix, Path(path))
    return tuple(workflow_commands(matrix)) if environ.get("GITHUB_ACTIONS") == "true" else ()


def _append_summary(matrix: Matrix, path: Path) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            # The earlier output of the step counts as well.
            left_bytes = _SUMMARY_LIMIT_BYTES - file.tell() - len("\n")
            text = markdown(matrix, min(MAX_BYTES, left_bytes))
            if len(text.encode()) <= left_bytes:
                file.write("\n" + text)
    except OSError as error:
        message = f"{path}: the summary cannot be written: {error.strerror}."
        raise NoSpaceError(message) from error


def workflow_commands(matrix: Matrix) -> Iterator[str]:
    """Yield a workflow command for each image that is not right, as many as GitHub shows."""
    bad = [row for row in row_words.worst_first(matrix) if row.judgement != "right"]
    shown = bad if len(bad) <= MAX_ANNOTATIONS else bad[: MAX_ANNOTATIONS - 1]
    for row in shown:
        yield _command(f"{row.name}: {row_words.outcome_text(row.result)}", _message(row))
    if len(shown) < len(bad):
        yield _command("harness", f"{len(bad) - len(shown)} images more are not right.")


def _message(row: CaseRow) -> str:
    """Return the lines of an annotation: reason, expectation, remedy."""
    cause = row.result.cause_finding
    lines = [row_words.reason_text(row), f"expected: {row_words.expectation_text(row.expected)}"]
    if cause and (advice := shown_finding(cause).advice):
        lines.append(f"remedy: {advice}")
    return "\n".join(row_words.safe_line(line) for line in lines)


def _command(title: str, message: str) -> str:
    return f"::error title={_property(row_words.safe_line(title, 200))}::{_data(message)}"


def _data(text: str) -> str:
    """Escape ``text`` as the message of a command: newlines and percent signs."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape ``text`` as the value of a property, which a comma or a colon would end."""
    return _data(text).replace(":", "%3A").replace(",", "%2C")

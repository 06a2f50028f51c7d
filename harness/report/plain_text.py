"""The result of an image as plain lines, for a report outside of the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.evidence.guest_text import printable
from harness.matrix.catalog import Expectation
from harness.matrix.record import CaseRow
from harness.model.finding import Finding
from harness.report.findings import by_weight, shown_finding


def plain_findings(findings: Iterable[Finding], cause: str | None) -> Iterator[str]:
    """Yield a few lines for each finding above "info", that of the ``cause`` first."""
    listed = [row for row in findings if row.severity != "info" or row.id == cause]
    for row in (shown_finding(row) for row in by_weight(listed, cause)):
        yield f"{row.mark} {row.statement}  {row.id}"
        for line in row.evidence:
            yield f"  \u2502 {line}"
        if row.advice:
            yield f"  \u2192 {row.advice}"


def plain_row(tried: CaseRow) -> str:
    """Return the result of ``tried``, with the expectation if that differs."""
    result = tried.result
    lines = [f"{tried.name}: {_brief(result.outcome, [result.stage], result.cause)}"]
    if tried.judgement == "error":
        lines[0] += "; this host could not try it, and nothing is said about the image"
    elif tried.judgement == "wrong":
        expected = tried.expected
        lines.append(f"expected: {_brief(expected.outcome, expected.stages, expected.cause)}")
        lines += [f"prediction expected: {_predicted(expected)}"] * ("prediction" in tried.differs)
        lines += [f"because: {printable(tried.why, 400)}"] * bool(tried.why)
    return "\n".join([*lines, *plain_findings(result.findings, result.cause)])


def _brief(outcome: str, stages: Iterable[str | None], cause: str | None) -> str:
    at = " or ".join(stage for stage in stages if stage)
    return outcome + f" at the stage {at}" * bool(at) + f" ({cause})" * bool(cause)


def _predicted(expected: Expectation) -> str:
    return "the system comes up" if expected.predicted else "the system does not come up"

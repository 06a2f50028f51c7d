"""The display form of a finding for every report: its texts within limits, its mark, its colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.evidence.guest_text import printable
from harness.model.finding import Finding, Severity

MARKS: dict[Severity, str] = {"error": "\u2717", "warning": "!", "info": "i"}
COLOURS: dict[Severity, str] = {"error": "red", "warning": "yellow", "info": "cyan"}

_SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True, slots=True)
class FindingLimits:
    """Limits for a shown finding: the last lines of its evidence, the start of each text."""

    evidence_lines: int = 8
    line_chars: int = 160
    statement_chars: int = 1000
    remedy_chars: int = 1000


REPORT = FindingLimits()
"""On a terminal, and where plain lines are printed."""
PAGE = FindingLimits(line_chars=1000)
"""On a page that wraps by itself."""
PANEL = FindingLimits(evidence_lines=3, statement_chars=300, remedy_chars=300)
"""Beside other panels."""
VIEW = FindingLimits(line_chars=200)
"""For the console in a browser, which shows it beside other panels."""
FULL = FindingLimits(evidence_lines=40, line_chars=1000)
"""For a file that a person searches in."""


@dataclass(frozen=True, slots=True)
class ShownFinding:
    """A finding that is safe to print.

    ``decides``: it is the cause of the result.
    """

    id: str
    severity: Severity
    decides: bool
    statement: str
    evidence: tuple[str, ...]
    remedy: str

    @property
    def advice(self) -> str:
        """The remedy; "" for a note, which needs no fix."""
        return self.remedy if self.severity != "info" else ""

    @property
    def mark(self) -> str:
        """One character for the severity."""
        return MARKS[self.severity]

    @property
    def colour(self) -> str:
        """The colour of the severity on a terminal."""
        return COLOURS[self.severity]


def shown_finding(
    row: Finding, limits: FindingLimits = REPORT, cause: str | None = None
) -> ShownFinding:
    """Return ``row`` as it is shown within ``limits``."""
    return ShownFinding(
        id=row.id,
        severity=row.severity,
        decides=row.id == cause,
        statement=printable(row.statement, limits.statement_chars),
        evidence=tuple(
            printable(line, limits.line_chars) for line in row.evidence[-limits.evidence_lines :]
        ),
        remedy=printable(row.remedy, limits.remedy_chars),
    )


def by_weight(findings: Iterable[Finding], cause: str | None) -> list[Finding]:
    """Sort the findings: the cause first, then by severity, then in their order."""
    return sorted(findings, key=lambda row: (row.id != cause, _SEVERITIES.index(row.severity)))

"""The result of one image at several providers, as a table on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.evidence.guest_text import printable
from harness.report.result_text import OUTCOME_STYLES
from harness.trial.providers import ProviderResult
from harness.trial.result import Result


def print_provider_table(console: Console, location: str, rows: Sequence[ProviderResult]) -> None:
    """Print one line for each provider: outcome, stage, duration, cause or warnings."""
    console.print(Text(printable(location, 200), "bold"))
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    for row in rows:
        result = row.result
        if result is None:
            table.add_row(row.provider, Text("NOT TRIED", "yellow"), "", "", row.not_tried)
            continue
        table.add_row(
            row.provider,
            Text(result.outcome.upper(), OUTCOME_STYLES[result.outcome]),
            result.stage or "",
            f"as {row.same_as}" if row.same_as else _seconds(result),
            Text(_why(result), overflow="fold"),
        )
    console.print(table)


def _seconds(result: Result) -> str:
    return f"{result.timings_s['verdict']:.1f} s" if result.stage else "not booted"


def _why(result: Result) -> str:
    """Return the finding of the cause; for a pass, its warnings."""
    if result.cause:
        found = result.cause_finding
        return f"{result.cause}: {found.statement}" if found else result.cause
    warnings = [row.id for row in result.findings if row.severity == "warning"]
    return f"warns of {', '.join(warnings)}" if warnings else ""

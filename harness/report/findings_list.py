"""Explanations of findings on a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.model.finding import Explanation, finding_catalog
from harness.report.findings import COLOURS


def print_explanation(console: Console, finding_id: str, entry: Explanation) -> None:
    """Print one finding: meaning, how it is seen, remedy, source."""
    head = Text.assemble((finding_id, "bold"), "  ", (entry.severity, COLOURS[entry.severity]))
    console.print(head)
    console.print(Padding(Text(entry.meaning), (0, 0, 1, 2)))
    table = Table.grid(padding=(0, 2))
    for name in ("seen", "remedy", "source"):
        table.add_row(Text(f"  {name}", "dim"), Text(getattr(entry, name), overflow="fold"))
        if name == "remedy":
            for tag, remedy in entry.remedies.items():
                table.add_row("", Text.assemble((f"{tag}: ", "bold"), remedy, overflow="fold"))
    console.print(table)


def print_catalog(console: Console, groups: dict[str, list[str]]) -> None:
    """Print every id with the first sentence of its meaning, group by group."""
    table = Table.grid(padding=(0, 2))
    for ids in groups.values():
        for finding_id in ids:
            entry = finding_catalog()[finding_id]
            meaning = entry.meaning.split(". ")[0].rstrip(".")
            table.add_row(Text(finding_id, COLOURS[entry.severity]), meaning)
        table.add_row()
    console.print(table)
    console.print(Text("harness explain ID says how it is seen, and how to fix it.", "dim"))

"""``harness explain``: the meaning of a finding."""

from __future__ import annotations

import click
from rich.console import Console

from harness.report.findings_list import print_catalog, print_explanation
from harness.report.findings_page import find_explanation, findings_page, ids_by_group


@click.command("explain")
@click.argument("finding_id", metavar="[ID]", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="All of it, as a page.")
def explain(finding_id: str | None, as_markdown: bool) -> None:
    """Say what the finding ID means, how it is seen and what mends it; without ID, list all."""
    if as_markdown:
        click.echo(findings_page(), nl=False)
    elif finding_id:
        print_explanation(Console(), finding_id, find_explanation(finding_id))
    else:
        print_catalog(Console(), ids_by_group())

"""``harness explain``: what a finding means."""

from __future__ import annotations

import click
from rich.console import Console

from harness.report.explain import explain as explained
from harness.report.explain import groups, markdown
from harness.report.explanation import print_catalog, print_explanation


@click.command("explain")
@click.argument("finding_id", metavar="[ID]", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="All of it, as a page.")
def explain(finding_id: str | None, as_markdown: bool) -> None:
    """Say what the finding ID means, how it is seen and what mends it; without ID, list all."""
    if as_markdown:
        click.echo(markdown(), nl=False)
    elif finding_id:
        print_explanation(Console(), finding_id, explained(finding_id))
    else:
        print_catalog(Console(), groups())

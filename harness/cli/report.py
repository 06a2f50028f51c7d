"""``harness report``: reports about recorded runs."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from harness.cli.options import report_options
from harness.errors import UsageError
from harness.report.files import REPORT_FORMATS, write_reports
from harness.report.gather import gather
from harness.report.github import report_to_github
from harness.report.matrix_text import print_matrix


@click.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@report_options({name: row.help for name, row in REPORT_FORMATS.items()})
def report(runs: tuple[Path, ...], **files: Path | None) -> None:
    """Report on recorded RUNs: folders of single runs, or of matrices.

    FILE may be - for stdout. Without an option, a summary is printed. Where GitHub Actions asks for
    a summary and annotations, it gets them.
    """
    targets = {kind: path for kind, path in files.items() if path}
    if list(targets.values()).count(Path("-")) > 1:
        raise UsageError("report: only one FILE can be stdout (-).")
    matrix, folder = gather(runs)
    write_reports(matrix, folder, targets)
    if not targets:
        print_matrix(Console(), matrix, all_rows=True)
    for line in report_to_github(matrix, os.environ):
        click.echo(line, err=Path("-") in targets.values())

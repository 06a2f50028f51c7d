"""``harness matrix``: read the options, run the matrix, report the results."""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from harness.cli.invocation import note_json
from harness.cli.options import ACCEL, COUNTERFACTUAL, RULES, report_options
from harness.matrix.attempt import Options
from harness.matrix.catalog import load_catalogs
from harness.matrix.record import Matrix
from harness.matrix.run import MatrixRequest, run_matrix
from harness.matrix.select import Shard, select
from harness.matrix.stop import stop_on_signals
from harness.report.files import FORMATS_OF_A_MATRIX, write_reports
from harness.report.github import report_to_github
from harness.report.matrix_progress import MatrixProgress
from harness.report.matrix_text import print_matrix

_REPORT_FILE_HELP = "Where that report goes.  [default: the report's folder]"


def _jobs(_: click.Context, __: click.Parameter, value: str) -> int | None:
    """Parse the number of machines; None for as many as fit."""
    if value == "auto":
        return None
    if not value.isdigit() or not 1 <= int(value) <= 1000:
        raise click.BadParameter("is a number from 1, or auto.")
    return int(value)


@click.command()
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option(
    "-j",
    "--jobs",
    default="auto",
    show_default=True,
    callback=_jobs,
    metavar="N|auto",
    help="So many machines at once; auto takes as many as processors, memory and space allow.",
)
@click.option(
    "--select",
    "words",
    multiple=True,
    metavar="WORD",
    help="Only images with such a name, or tag:TAG; * is a wildcard, ! leaves out. Repeat it.",
)
@click.option("--shard", metavar="K/N", help="The K-th of N shares of the images.")
@click.option("--list", "only_list", is_flag=True, help="Say which images these are; try none.")
@click.option("--fail-fast", is_flag=True, help="End with the first image that is not right.")
@click.option(
    "--retries",
    type=click.IntRange(min=0, max=10),
    default=0,
    show_default=True,
    help="Try again after a fault of the host. A fail of an image is never tried again.",
)
@click.option("--resume", is_flag=True, help="Go on with the matrix in --report-dir.")
@click.option(
    "--report-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where results, runs and reports go.  [default: a new folder under "
    "~/.local/state/harness/matrix]",
)
@click.option(
    "--history",
    "history_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The file of earlier results.  [default: history.sqlite beside the report's folder]",
)
@click.option(
    "--reuse",
    is_flag=True,
    help="Boot no image again of which nothing has changed that decides its result.",
)
@ACCEL
@COUNTERFACTUAL
@click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Send the images to the workers of this scheduler of dask (docs/cluster.md).",
)
@RULES
@report_options(dict.fromkeys(FORMATS_OF_A_MATRIX, _REPORT_FILE_HELP))
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    callback=note_json,
    help="Print the matrix object on stdout.",
)
def matrix(
    paths: tuple[Path, ...],
    jobs: int | None,
    words: tuple[str, ...],
    shard: str | None,
    only_list: bool,
    fail_fast: bool,
    retries: int,
    resume: bool,
    report_dir: Path | None,
    history_file: Path | None,
    reuse: bool,
    accel: Literal["auto", "kvm", "tcg"],
    counterfactual: bool,
    scheduler: str | None,
    rules: tuple[Path, ...],
    as_json: bool,
    **reports: Path | None,
) -> None:
    """Try every image of the catalogs at PATH, and say what is not as they expect.

    PATH is a TOML file or a folder of them (docs/matrix.md). The exit status is 0 where all is as
    expected, 1 where an image is not, 3 where nothing proves what is expected, 4 where a fault of
    a host kept an image from being tried.
    """
    planned = select(load_catalogs(paths), words)
    planned = Shard.parse(shard).take(planned) if shard else planned
    if only_list:
        for row in planned:
            click.echo(f"{row.entry.name}: {row.entry.description or row.entry.source}")
        return
    request = MatrixRequest(
        planned=planned,
        options=Options(accel, counterfactual, rules, retries),
        report_dir=report_dir,
        history_file=history_file,
        jobs=jobs,
        scheduler=scheduler,
        resume=resume,
        reuse=reuse,
        fail_fast=fail_fast,
    )
    console = Console(stderr=True)
    targets = {kind: path for kind, path in reports.items() if path}
    with stop_on_signals() as stop:
        showing, reporting = partial(MatrixProgress, console), partial(_report, console, targets)
        came = run_matrix(request, stop, showing, reporting)
    if as_json:
        click.echo(came.to_json())
    sys.exit(128 + stop.signal_number if stop.signal_number else came.exit_status)


def _report(console: Console, targets: dict[str, Path], came: Matrix, folder: Path) -> None:
    """Say what came, and write the reports: where they are asked for, else beside the runs."""
    files = {
        kind: targets.get(kind, folder / row.file_name) for kind, row in FORMATS_OF_A_MATRIX.items()
    }
    write_reports(came, folder, files)
    print_matrix(console, came, files)
    for line in report_to_github(came, os.environ):
        click.echo(line, err=True)

"""``harness matrix``: reads its options, composes the matrix, says what came of it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from harness.cli.invocation import note_json
from harness.cli.options import ACCEL, COUNTERFACTUAL, RULES
from harness.diagnose.rules import read_rules
from harness.errors import UsageError
from harness.host.program_log import kept_log
from harness.host.signals import ending_signals
from harness.machine.acceleration import choose_acceleration
from harness.matrix.attempt import Known, Options
from harness.matrix.capacity import fitting, measure
from harness.matrix.catalog import Planned, load_catalogs
from harness.matrix.folder import MatrixFolder
from harness.matrix.history import HISTORY_FILE, History
from harness.matrix.local import run_local
from harness.matrix.progress import Teller
from harness.matrix.record import Matrix
from harness.matrix.run import known_in, run_matrix
from harness.matrix.select import Shard, select
from harness.matrix.stop import Stop
from harness.provider.profile import load_profile
from harness.report.matrix_live import MatrixProgress
from harness.trial.run_folder import new_report_dir

_REPORTS = {"html": "report.html", "junit": "junit.xml", "markdown": "summary.md"}
_BESIDE = "Where that report goes.  [default: the report's folder]"


def _jobs(_: click.Context, __: click.Parameter, value: str) -> int | None:
    """The number of machines; None for as many as fit."""
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
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help=_BESIDE)
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help=_BESIDE)
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help=_BESIDE)
@click.option(
    *("--json", "as_json"),
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
    if not planned:
        raise UsageError("no image is left to be tried.")
    if resume and report_dir is None:
        raise UsageError("--resume: name the folder of the matrix with --report-dir.")
    if scheduler and (reuse or jobs):
        raise UsageError("--scheduler: --reuse and --jobs are for this machine alone.")
    read_rules(rules)
    options = Options(accel, counterfactual, rules, retries)
    names = [row.entry.name for row in planned]
    folder = MatrixFolder(report_dir or new_report_dir(), names, resume=resume)
    history_file = history_file or folder.path.absolute().parent / HISTORY_FILE
    console = Console(stderr=True)
    with folder, kept_log(folder.path), History(history_file) as history, _stop() as stop:
        missing = folder.missing
        with MatrixProgress(console, tuple(missing), len(planned) - len(missing)) as progress:
            told = Told(stop.stop, progress, fail_fast=fail_fast)
            if scheduler:
                run = partial(_on_cluster, scheduler, options, told)
            else:
                known = known_in(history_file) if reuse else None
                run = partial(_here, options, jobs, known, told, console)
            came = run_matrix(planned, folder, history, run, stop.stop)
        _report(console, came, folder.path, {kind: path for kind, path in reports.items() if path})
    if as_json:
        click.echo(came.to_json())
    sys.exit(128 + stop.number if stop.number else came.exit_status)


@dataclass(frozen=True, slots=True)
class Told:
    """What the user may do and see while a scheduler is at work."""

    stop: Stop
    tell: Teller
    fail_fast: bool


def _here(
    options: Options,
    jobs: int | None,
    known: Known | None,
    told: Told,
    console: Console,
    planned: Sequence[Planned],
    folder: MatrixFolder,
) -> None:
    """Try ``planned`` on this machine, as many at once as fit."""
    if not planned:
        return
    profiles = [load_profile(row.entry.provider) for row in planned]
    memory_mib = max(row.machine.memory_mib.value for row in profiles)
    capacity = measure(choose_acceleration(options.accel), memory_mib)
    jobs = jobs or capacity.jobs
    count = "an image" if len(planned) == 1 else f"{len(planned)} images"
    console.print(f"{count}, {capacity.in_words(jobs)}", highlight=False)
    run_local(
        planned,
        replace(options, write_limit_bytes=capacity.write_limit_bytes(jobs)),
        folder,
        jobs,
        has_room=lambda: fitting(memory_mib) >= 1,
        stop=told.stop,
        tell=told.tell,
        fail_fast=told.fail_fast,
        known=known,
    )


def _on_cluster(
    address: str, options: Options, told: Told, planned: Sequence[Planned], folder: MatrixFolder
) -> None:
    """Try ``planned`` on the workers of a cluster."""
    from harness.matrix.cluster import run_cluster

    if planned:
        run_cluster(
            planned,
            options,
            folder,
            address,
            stop=told.stop,
            tell=told.tell,
            fail_fast=told.fail_fast,
        )


class _Signals:
    """The stop of a matrix, and the signal that set it (0 where none did)."""

    def __init__(self) -> None:
        self.stop = Stop()
        self.number = 0

    def take(self, number: int, _: object) -> None:
        self.number = self.number or number
        self.stop.set()
        # Whoever asks twice does not want to wait: what was started dies with this process.
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def _stop() -> Iterator[_Signals]:
    """A signal ends the matrix in order while the block runs."""
    signals = _Signals()
    before = {number: signal.signal(number, signals.take) for number in ending_signals()}
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _report(console: Console, came: Matrix, folder: Path, targets: dict[str, Path]) -> None:
    """Say what came, and write the reports: where they are asked for, else beside the runs."""
    from harness.report.files import write_reports
    from harness.report.github import for_github
    from harness.report.matrix_text import print_matrix

    files = {kind: targets.get(kind, folder / name) for kind, name in _REPORTS.items()}
    write_reports(came, folder, files)
    print_matrix(console, came, files)
    for line in for_github(came, os.environ):
        click.echo(line, err=True)

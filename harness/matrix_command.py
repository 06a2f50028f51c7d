"""``harness matrix``: reads its options, composes the matrix, says what came of it."""

from __future__ import annotations

import datetime
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import click
from rich.console import Console

from harness.errors import UsageError
from harness.machine.acceleration import choose_acceleration
from harness.matrix.attempt import Options
from harness.matrix.capacity import fitting, measure
from harness.matrix.catalog import Planned, load_catalogs
from harness.matrix.folder import MatrixFolder
from harness.matrix.local import run_local
from harness.matrix.record import Matrix
from harness.matrix.select import Shard, select
from harness.matrix.stop import Stop
from harness.provider.profile import load_profile
from harness.report.matrix_live import MatrixProgress


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
    "--accel",
    type=click.Choice(["auto", "kvm", "tcg"]),
    default="auto",
    show_default=True,
    help="auto takes KVM where it runs 64-bit code, else emulation (TCG).",
)
@click.option("--counterfactual/--no-counterfactual", default=True, help="As with verify.")
@click.option("--json", "as_json", is_flag=True, help="Print the matrix object on stdout.")
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
    accel: Literal["auto", "kvm", "tcg"],
    counterfactual: bool,
    as_json: bool,
) -> None:
    """Try every image of the catalogs at PATH, and say what is not as they expect.

    PATH is a TOML file or a folder of them (docs/matrix.md). The exit status is 0 where all is as
    expected, 1 where an image is not, 3 where nothing proves what is expected, 4 where a fault of
    this host kept an image from being tried.
    """
    planned = load_catalogs(paths)
    planned = select(planned, words)
    if shard:
        planned = Shard.parse(shard).take(planned)
    if only_list:
        for row in planned:
            click.echo(f"{row.entry.name}: {row.entry.description or row.entry.source}")
        return
    if not planned:
        raise UsageError("no image is left to be tried.")
    if resume and report_dir is None:
        raise UsageError("--resume: name the folder of the matrix with --report-dir.")
    console = Console(stderr=True)
    options = Options(accel=accel, counterfactual=counterfactual, retries=retries)
    names = [row.entry.name for row in planned]
    with (
        MatrixFolder(report_dir or _new_report_dir(), names, resume=resume) as folder,
        _stop() as stop,
    ):
        missing = folder.missing
        left = [row for row in planned if row.entry.name in missing]
        with MatrixProgress(console, tuple(missing), len(planned) - len(left)) as progress:
            run = _local(left, options, jobs, console)
            run(folder, stop.stop, progress, fail_fast)
        if not stop.number:
            folder.end((), {})
        came = folder.matrix()
    _say(console, came, folder.path, as_json=as_json)
    sys.exit(128 + stop.number if stop.number else came.exit_status)


Runner = Callable[[MatrixFolder, Stop, MatrixProgress, bool], None]


def _local(
    planned: Sequence[Planned], options: Options, jobs: int | None, console: Console
) -> Runner:
    """What runs the images on this machine."""
    profiles = [load_profile(row.entry.provider) for row in planned]
    memory_mib = max((row.machine.memory_mib.value for row in profiles), default=0)
    capacity = measure(choose_acceleration(options.accel), memory_mib)
    jobs = jobs or capacity.jobs
    count = "an image" if len(planned) == 1 else f"{len(planned)} images"
    console.print(f"{count}, {capacity.in_words(jobs)}", highlight=False)
    options = Options(
        accel=options.accel,
        counterfactual=options.counterfactual,
        retries=options.retries,
        write_limit_bytes=capacity.write_limit_bytes(jobs),
    )

    def run(folder: MatrixFolder, stop: Stop, progress: MatrixProgress, fail_fast: bool) -> None:
        has_room = partial(_has_room, memory_mib)
        run_local(
            *(planned, options, folder, jobs),
            has_room=has_room,
            stop=stop,
            tell=progress,
            fail_fast=fail_fast,
        )

    return run


def _has_room(memory_mib: int) -> bool:
    return fitting(memory_mib) >= 1


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
    """SIGINT and SIGTERM end the matrix in order while the block runs."""
    signals = _Signals()
    before = {
        number: signal.signal(number, signals.take) for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say(console: Console, came: Matrix, folder: Path, *, as_json: bool) -> None:
    if as_json:
        click.echo(came.to_json())
    console.print(f"\nreport  {folder}", highlight=False, soft_wrap=True)


def _new_report_dir() -> Path:
    """A new folder under the user's state folder (XDG Base Directory Specification)."""
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    now = datetime.datetime.now().astimezone()
    return Path(base) / "harness" / "matrix" / f"{now:%Y%m%d-%H%M%S}"

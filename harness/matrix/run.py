"""A run of a whole matrix: its missing images are tried, kept, and compared with the history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from harness.diagnose.rules import read_rules
from harness.errors import UsageError
from harness.host.program_log import kept_log
from harness.machine.acceleration import choose_acceleration
from harness.matrix.attempt import Options, ResultLookup
from harness.matrix.capacity import free_guest_slots, measure_capacity
from harness.matrix.catalog import PlannedCase
from harness.matrix.folder import MatrixFolder
from harness.matrix.history import HISTORY_FILE, History
from harness.matrix.local import run_local
from harness.matrix.news import news
from harness.matrix.progress import PhaseChange
from harness.matrix.record import CaseRow, Matrix, PastResult
from harness.matrix.stop import Stop
from harness.provider.profile import load_profile
from harness.trial.run_folder import new_report_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRequest:
    """The images to try, and the options.

    ``report_dir`` is None for a new folder in the user's state folder, ``history_file`` is None for
    one beside the report's folder, ``jobs`` is None for as many machines in parallel as fit.
    ``scheduler`` is the address of a scheduler of dask; None for this machine. With ``resume`` the
    matrix in ``report_dir`` goes on. With ``reuse`` an earlier result takes the place of a boot.
    With ``fail_fast`` the first image that is not right ends the matrix.
    """

    planned: tuple[PlannedCase, ...]
    options: Options = Options()
    report_dir: Path | None = None
    history_file: Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    resume: bool = False
    reuse: bool = False
    fail_fast: bool = False


class MatrixView(Protocol):
    """The display of a running matrix. It may be called from any thread."""

    def __call__(self, what: PhaseChange | CaseRow) -> None:
        """Show a phase of an image, or its row."""

    def announce(self, line: str) -> None:
        """Show a line about the next step."""


Showing = Callable[[tuple[str, ...], int], AbstractContextManager[MatrixView]]
"""A function that opens the display, by the names of the images left and the number of others."""
Reporting = Callable[[Matrix, Path], None]
"""A function that writes reports of the matrix in a folder."""


def run_matrix(
    request: MatrixRequest, stop: Stop, showing: Showing, reporting: Reporting
) -> Matrix:
    """Run a matrix to its end, or until ``stop`` is set; return it as far as it went.

    It is kept in its folder and in the history; ``reporting`` is called while no other matrix may
    resume it. Raises UsageError for a request that contradicts itself.
    """
    _check(request)
    names = [row.entry.name for row in request.planned]
    folder = MatrixFolder(request.report_dir or new_report_dir(), names, resume=request.resume)
    history_file = request.history_file or folder.path.absolute().parent / HISTORY_FILE
    with folder, kept_log(folder.path), History(history_file) as history:
        missing = folder.missing
        with showing(tuple(missing), len(names) - len(missing)) as view:
            left = tuple(row for row in request.planned if row.entry.name in missing)
            if left:
                _try_images(replace(request, planned=left), folder, history_file, stop, view)
            matrix = _judged(folder, history, stop)
        reporting(matrix, folder.path)
    return matrix


def _check(request: MatrixRequest) -> None:
    if not request.planned:
        raise UsageError("no image is left to be tried.")
    if request.resume and request.report_dir is None:
        raise UsageError("--resume: name the folder of the matrix with --report-dir.")
    if request.scheduler and (request.reuse or request.jobs):
        raise UsageError("--scheduler: --reuse and --jobs are for this machine alone.")
    read_rules(request.options.rules)


def _try_images(
    request: MatrixRequest, folder: MatrixFolder, history_file: Path, stop: Stop, view: MatrixView
) -> None:
    """Try all images of ``request`` and keep each in ``folder``."""
    if request.scheduler is None:
        known = _results_in(history_file) if request.reuse else None
        _try_here(request, folder, known, stop, view)
        return
    # dask takes a second to import.
    from harness.matrix.cluster import run_cluster

    run_cluster(
        request.planned,
        request.options,
        folder,
        request.scheduler,
        stop=stop,
        tell=view,
        fail_fast=request.fail_fast,
    )


def _try_here(
    request: MatrixRequest,
    folder: MatrixFolder,
    known: ResultLookup | None,
    stop: Stop,
    view: MatrixView,
) -> None:
    """Try all images of ``request`` on this machine, as many in parallel as fit."""
    memory_mib = _largest_memory_mib(request.planned)
    capacity = measure_capacity(choose_acceleration(request.options.accel), memory_mib)
    jobs = request.jobs or capacity.jobs
    number = len(request.planned)
    count = "an image" if number == 1 else f"{number} images"
    view.announce(f"{count}, {capacity.description(jobs)}")
    run_local(
        request.planned,
        replace(request.options, write_limit_bytes=capacity.write_limit_bytes(jobs)),
        folder,
        jobs,
        has_room=lambda: free_guest_slots(memory_mib) >= 1,
        stop=stop,
        tell=view,
        fail_fast=request.fail_fast,
        known=known,
    )


def _largest_memory_mib(planned: Sequence[PlannedCase]) -> int:
    profiles = [load_profile(row.entry.provider) for row in planned]
    return max(row.machine.memory_mib.value for row in profiles)


def _judged(folder: MatrixFolder, history: History, stop: Stop) -> Matrix:
    """Return the matrix in ``folder``; with its news by the history, if it has ended."""
    matrix = folder.matrix()
    for row in matrix.tried:
        history.add(matrix.started_at, row)
    past: dict[str, tuple[PastResult, ...]] = {
        row.name: history.past(row.name, before=matrix.started_at) for row in matrix.tried
    }
    if not stop.is_set or not matrix.missing:
        folder.end(news(matrix.tried, past), past)
    return folder.matrix()


def _results_in(path: Path) -> ResultLookup:
    """Return a lookup in the history at ``path`` that may be called from any thread."""

    def known(key: str) -> CaseRow | None:
        with History(path) as history:
            return history.known(key)

    return known

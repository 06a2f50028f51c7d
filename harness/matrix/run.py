"""A whole matrix: what is missing is tried, kept, held against what came before."""

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
from harness.matrix.attempt import Known, Options
from harness.matrix.capacity import fitting, measure
from harness.matrix.catalog import Planned
from harness.matrix.folder import MatrixFolder
from harness.matrix.history import HISTORY_FILE, History
from harness.matrix.local import run_local
from harness.matrix.news import news
from harness.matrix.progress import Moved
from harness.matrix.record import Matrix, Past, Tried
from harness.matrix.stop import Stop
from harness.provider.profile import load_profile
from harness.trial.run_folder import new_report_dir


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixRequest:
    """The images to try, and how.

    ``report_dir`` is None where a new folder of the user's is taken, ``history_file`` where that
    is beside the report's folder, ``jobs`` for as many machines at once as fit. ``scheduler`` is
    the address of a scheduler of dask; None for this machine. With ``resume`` the matrix in
    ``report_dir`` goes on. With ``reuse`` an earlier result takes the place of a boot. With
    ``fail_fast`` the first image that is not right ends the matrix.
    """

    planned: tuple[Planned, ...]
    options: Options = Options()
    report_dir: Path | None = None
    history_file: Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    resume: bool = False
    reuse: bool = False
    fail_fast: bool = False


class MatrixView(Protocol):
    """The place where a person sees a matrix go on. It may be told from any thread."""

    def __call__(self, what: Moved | Tried) -> None:
        """Take what has happened."""

    def announce(self, line: str) -> None:
        """Show a line that says what is about to be done."""


Showing = Callable[[tuple[str, ...], int], AbstractContextManager[MatrixView]]
"""What shows a matrix, by the names of the images that are left and the number of the others."""
Reporting = Callable[[Matrix, Path], None]
"""What makes reports of a matrix, which lies in that folder."""


def run_matrix(
    request: MatrixRequest, stop: Stop, showing: Showing, reporting: Reporting
) -> Matrix:
    """The matrix once all of it was tried, or after ``stop`` as far as it went.

    It is kept in its folder and in the history; ``reporting`` is called before another may go on
    in that folder. Raises UsageError for a request that cannot be meant.
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
            came = _judged(folder, history, stop)
        reporting(came, folder.path)
    return came


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
    """Try all images of ``request``, each of which is kept in ``folder``."""
    if request.scheduler is None:
        known = _known_in(history_file) if request.reuse else None
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
    request: MatrixRequest, folder: MatrixFolder, known: Known | None, stop: Stop, view: MatrixView
) -> None:
    """Try them on this machine, as many at once as fit."""
    memory_mib = _largest_memory_mib(request.planned)
    capacity = measure(choose_acceleration(request.options.accel), memory_mib)
    jobs = request.jobs or capacity.jobs
    number = len(request.planned)
    count = "an image" if number == 1 else f"{number} images"
    view.announce(f"{count}, {capacity.in_words(jobs)}")
    run_local(
        request.planned,
        replace(request.options, write_limit_bytes=capacity.write_limit_bytes(jobs)),
        folder,
        jobs,
        has_room=lambda: fitting(memory_mib) >= 1,
        stop=stop,
        tell=view,
        fail_fast=request.fail_fast,
        known=known,
    )


def _largest_memory_mib(planned: Sequence[Planned]) -> int:
    profiles = [load_profile(row.entry.provider) for row in planned]
    return max(row.machine.memory_mib.value for row in profiles)


def _judged(folder: MatrixFolder, history: History, stop: Stop) -> Matrix:
    """The matrix in ``folder``; where it has ended, with what is new by the history."""
    came = folder.matrix()
    for row in came.tried:
        history.add(came.started_at, row)
    past: dict[str, tuple[Past, ...]] = {
        row.name: history.past(row.name, before=came.started_at) for row in came.tried
    }
    if not stop.is_set or not came.missing:
        folder.end(news(came.tried, past), past)
    return folder.matrix()


def _known_in(path: Path) -> Known:
    """What finds an earlier result in the history at ``path``, from any thread."""

    def known(key: str) -> Tried | None:
        with History(path) as history:
            return history.known(key)

    return known

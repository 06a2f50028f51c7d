"""A whole matrix: what is missing is tried, kept, held against what came before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.matrix.attempt import Known
from harness.matrix.catalog import Planned
from harness.matrix.folder import MatrixFolder
from harness.matrix.history import History
from harness.matrix.news import news
from harness.matrix.record import Matrix, Past, Tried
from harness.matrix.stop import Stop

Scheduler = Callable[[Sequence[Planned], MatrixFolder], None]
"""What tries images and keeps each in the folder; it returns when all have ended, or a stop."""


def run_matrix(
    planned: Sequence[Planned],
    folder: MatrixFolder,
    history: History,
    scheduler: Scheduler,
    stop: Stop,
) -> Matrix:
    """The matrix once all of it was tried, or after ``stop`` as far as it went.

    What came is in ``history``, and what is new by that in the matrix.
    """
    missing = folder.missing
    scheduler([row for row in planned if row.entry.name in missing], folder)
    came = folder.matrix()
    for row in came.tried:
        history.add(came.started_at, row)
    past: dict[str, tuple[Past, ...]] = {
        row.name: history.past(row.name, before=came.started_at) for row in came.tried
    }
    if not stop.is_set or not came.missing:
        folder.end(news(came.tried, past), past)
    return folder.matrix()


def known_in(path: Path) -> Known:
    """What finds an earlier result in the history at ``path``, from any thread."""

    def known(key: str) -> Tried | None:
        with History(path) as history:
            return history.known(key)

    return known

"""A whole matrix: requests that contradict themselves, and one without an image left."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.matrix.attempt import Options
from harness.matrix.catalog import PlannedCase, load_catalogs
from harness.matrix.folder import MatrixFolder, read_matrix
from harness.matrix.progress import PhaseChange
from harness.matrix.record import CaseRow, Matrix
from harness.matrix.run import MatrixRequest, MatrixView, run_matrix
from harness.matrix.stop import Stop
from tests.matrix.rows import tried


class Lines:
    """A view that keeps what it is told."""

    def __init__(self) -> None:
        self.left: tuple[str, ...] = ()
        self.done = 0
        self.announced: list[str] = []
        self.told: list[PhaseChange | CaseRow] = []
        self.reported: list[tuple[Matrix, Path]] = []

    def __call__(self, what: PhaseChange | CaseRow) -> None:
        self.told.append(what)

    def announce(self, line: str) -> None:
        self.announced.append(line)

    @contextmanager
    def showing(self, left: tuple[str, ...], done: int) -> Iterator[MatrixView]:
        self.left, self.done = left, done
        yield self

    def report(self, matrix: Matrix, folder: Path) -> None:
        self.reported.append((matrix, folder))


@pytest.fixture
def planned(tmp_path: Path) -> tuple[PlannedCase, ...]:
    catalog = tmp_path / "images.toml"
    catalog.write_text(
        '[[image]]\nname = "a"\nfile = "a.qcow2"\n[[image]]\nname = "b"\nfile = "b.qcow2"\n'
    )
    return load_catalogs([catalog])


def run(request: MatrixRequest, view: Lines) -> Matrix:
    return run_matrix(request, Stop(), view.showing, view.report)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"planned": ()}, "no image is left"),
        ({"resume": True, "report_dir": None}, "name the folder"),
        ({"scheduler": "tcp://127.0.0.1:1", "reuse": True}, "for this machine alone"),
        ({"scheduler": "tcp://127.0.0.1:1", "jobs": 2}, "for this machine alone"),
        ({"options": Options(rules=(Path("/nonexistent.toml"),))}, "nonexistent"),
    ],
)
def test_a_request_that_cannot_be_meant_leaves_no_folder(
    planned: tuple[PlannedCase, ...], tmp_path: Path, changes: dict[str, object], said: str
) -> None:
    request = MatrixRequest(planned=planned, report_dir=tmp_path / "out")
    with pytest.raises(UsageError, match=said):
        run(replace(request, **changes), Lines())  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


def test_an_image_with_a_row_is_not_tried_again(
    planned: tuple[PlannedCase, ...], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    with MatrixFolder(out, ["a", "b"], resume=False) as folder:
        folder.add(tried("a"))
        folder.add(tried("b"))
    view = Lines()
    came = run(MatrixRequest(planned=planned, report_dir=out, resume=True), view)
    assert (view.left, view.done, view.announced, view.told) == ((), 2, [], [])
    assert view.reported == [(came, out)]
    assert read_matrix(out).ended_at == came.ended_at is not None
    assert (tmp_path / "history.sqlite").exists(), "the history lies beside the folder"


def test_an_image_that_cannot_be_acquired_is_a_row(
    planned: tuple[PlannedCase, ...], tmp_path: Path
) -> None:
    view = Lines()
    request = MatrixRequest(
        planned=planned[:1], report_dir=tmp_path / "out", jobs=1, options=Options(accel="tcg")
    )
    came = run(request, view)
    assert view.left == ("a",)
    assert [line.partition(",")[0] for line in view.announced] == ["an image"]
    assert [row.result.cause for row in came.tried] == ["host.attempt-failed"]
    assert view.told[-1] == came.tried[0]

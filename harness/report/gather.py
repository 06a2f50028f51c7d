"""Folders of matrices and of single runs, combined into one matrix."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from harness.errors import RecordError, UsageError, validation_faults
from harness.matrix.catalog import Expectation
from harness.matrix.folder import is_matrix, read_matrix
from harness.matrix.record import CaseRow, Matrix, judge_by_expectation
from harness.net.link import is_url, name_in_url
from harness.trial.replay import replay
from harness.trial.result import EVIDENCE_FILE, RESULT_FILE, Result


def gather(paths: Iterable[Path]) -> tuple[Matrix, Path]:
    """Return all of ``paths`` as one matrix, and the folder that its ``run_dir`` are relative to.

    A single run becomes a row that is expected to pass. Rows with the same name get a number.
    Raises UsageError for a folder that is neither.
    """
    given = list(paths)
    if len(given) == 1 and is_matrix(given[0]):
        return read_matrix(given[0]), given[0]
    matrices = [_matrix_at(path) for path in given]
    ends = [matrix.ended_at for matrix in matrices]
    whole = Matrix(
        schema="harness.matrix/1",
        started_at=min(matrix.started_at for matrix in matrices),
        ended_at=None if None in ends else max(end for end in ends if end),
        version=matrices[0].version,
        tried=tuple(_with_unique_names(row for matrix in matrices for row in matrix.tried)),
        missing=tuple(name for matrix in matrices for name in matrix.missing),
        news=tuple(row for matrix in matrices for row in matrix.news),
        history={name: past for matrix in matrices for name, past in matrix.history.items()},
    )
    return whole, Path()


def read_run(folder: Path) -> Matrix:
    """Return the single run in ``folder`` as a matrix of one row.

    The result is the one that the run wrote; without one, the evidence is judged. A run does not
    record the time of day, so that of its last file is used. Raises UsageError if the folder holds
    no run.
    """
    result = _result_of(folder)
    expected = Expectation()
    judgement, differs = judge_by_expectation(expected, result)
    took_s = result.timings_s.get("check", 0.0) + result.timings_s.get("verdict", 0.0)
    ended_at = _written_at(folder)
    started_at = ended_at - datetime.timedelta(seconds=took_s)
    row = CaseRow(
        name=_short_name(result),
        catalog="",
        source=result.image.location,
        expected=expected,
        judgement=judgement,
        differs=differs,
        result=result,
        started_at=started_at,
        wall_s=took_s,
        run_dir=str(folder),
    )
    return Matrix(
        schema="harness.matrix/1",
        started_at=started_at,
        ended_at=ended_at,
        version=result.tool.version,
        tried=(row,),
    )


def _matrix_at(path: Path) -> Matrix:
    """Read a folder of either kind; its ``run_dir`` become relative to the current folder."""
    if not is_matrix(path):
        return read_run(path)
    matrix = read_matrix(path)
    rows = tuple(
        row.model_copy(update={"run_dir": str(path / row.run_dir)}) if row.run_dir else row
        for row in matrix.tried
    )
    return matrix.model_copy(update={"tried": rows})


def _result_of(folder: Path) -> Result:
    path = folder / RESULT_FILE
    if not path.exists():
        if not (folder / EVIDENCE_FILE).exists():
            raise UsageError(f"{folder}: is neither the folder of a run nor that of a matrix.")
        return replay(folder)
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        raise RecordError(f"{path}: is no result: {validation_faults(error)}.") from error


def _written_at(folder: Path) -> datetime.datetime:
    files = [folder / name for name in (RESULT_FILE, EVIDENCE_FILE)]
    latest_s = max(path.stat().st_mtime for path in files if path.exists())
    return datetime.datetime.fromtimestamp(latest_s, datetime.UTC)


def _short_name(result: Result) -> str:
    """Return a short name for the image: its file name without the suffix."""
    where = result.image.location
    name = name_in_url(where) if is_url(where) else Path(where).name
    return Path(name).stem or "image"


def _with_unique_names(rows: Iterable[CaseRow]) -> Iterator[CaseRow]:
    """Yield the rows; a name that is taken already gets a number."""
    taken: set[str] = set()
    for row in rows:
        name, number = row.name, 1
        while name in taken:
            number += 1
            name = f"{row.name}-{number}"
        taken.add(name)
        yield row.model_copy(update={"name": name})

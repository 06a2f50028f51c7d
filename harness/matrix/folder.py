"""The folder of a matrix: a line for each image as soon as it has ended, and its run.

The folder is complete at any moment: a matrix that was killed is read and resumed like one that has
ended.
"""

from __future__ import annotations

import datetime
import fcntl
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness import __version__
from harness.errors import RecordError, UsageError
from harness.matrix.record import MATRIX_FILE, RUNS, CaseRow, Matrix, NewsItem, PastResult

_SCHEMA = "harness.matrix/1"


class _Head(BaseModel):
    """The first line: the images to try, and the start of the matrix."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_: str = Field(alias="schema", pattern=f"^{_SCHEMA}$")
    started_at: datetime.datetime
    version: str
    planned: tuple[str, ...]


class _Tail(BaseModel):
    """A last line: the end of the matrix, and its news."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ended_at: datetime.datetime
    news: tuple[NewsItem, ...]
    history: dict[str, tuple[PastResult, ...]]


class MatrixFolder:
    """The folder of a matrix that runs. Only one matrix can run in it.

    Raises UsageError if the folder holds a matrix already (and ``resume`` is not set), or one of
    other images, or cannot be written.
    """

    def __init__(self, folder: Path, planned: Iterable[str], *, resume: bool) -> None:
        self.path = folder
        self._planned = tuple(planned)
        try:
            (folder / RUNS).mkdir(parents=True, exist_ok=True)
            self._file = (folder / MATRIX_FILE).open("a+b")
        except OSError as error:
            why = error.strerror or str(error)
            raise UsageError(f"{folder}: no matrix can be kept there: {why}.") from error
        try:
            self._lock()
            self._begin(resume=resume)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"{self.path}: another matrix is at work there.") from error
        except OSError as error:
            raise UsageError(
                f"{self.path}: no matrix can be kept there: {error.strerror}."
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _begin(self, *, resume: bool) -> None:
        is_new = self._file.seek(0, 2) == 0
        if is_new:
            now = datetime.datetime.now(tz=datetime.UTC)
            head = _Head(schema=_SCHEMA, started_at=now, version=__version__, planned=self._planned)
            self._write(head.model_dump_json(by_alias=True))
            return
        if not resume:
            raise UsageError(
                f"{self.path}: holds a matrix already: --resume goes on with it, or name another "
                "--report-dir."
            )
        _end_with_a_line(self._file)
        head, _, _ = _read(self.path)
        if set(head.planned) != set(self._planned):
            raise UsageError(
                f"{self.path}: the matrix there has other images: resume it with the same "
                "catalogs, --select and --shard."
            )

    def _write(self, line: str) -> None:
        self._file.write(line.encode() + b"\n")
        self._file.flush()

    @property
    def missing(self) -> frozenset[str]:
        """The names of the images that were not tried, or that a fault of a host stopped."""
        done = {row.name for row in self.matrix().tried if row.judgement != "error"}
        return frozenset(set(self._planned) - done)

    def run_dir(self, name: str) -> Path:
        """Return an empty place for the run of an image; the remains of other attempts are gone."""
        folder = self.path / RUNS / name
        for left in (folder, *folder.parent.glob(f"{name}.attempt-*")):
            shutil.rmtree(left, ignore_errors=True)
        return folder

    def add(self, tried: CaseRow) -> None:
        """Append the row of an image; an earlier row of it no longer counts."""
        self._write(tried.model_dump_json(by_alias=True))

    def end(self, news: Iterable[NewsItem], history: dict[str, tuple[PastResult, ...]]) -> None:
        """Append the end of the matrix, with its news."""
        now = datetime.datetime.now(tz=datetime.UTC)
        self._write(_Tail(ended_at=now, news=tuple(news), history=history).model_dump_json())

    def matrix(self) -> Matrix:
        """Return the matrix as far as it went."""
        return read_matrix(self.path)


def is_matrix(folder: Path) -> bool:
    """Tell whether ``folder`` holds a matrix."""
    return (folder / MATRIX_FILE).is_file()


def read_matrix(folder: Path) -> Matrix:
    """Return the matrix in ``folder`` as far as it went, its images in the order of their catalogs.

    Raises UsageError without one, RecordError if it is damaged. A last line that was cut off is
    skipped.
    """
    head, rows, tail = _read(folder)
    return Matrix(
        started_at=head.started_at,
        ended_at=tail.ended_at if tail else None,
        version=head.version,
        tried=tuple(rows[name] for name in head.planned if name in rows),
        missing=tuple(name for name in head.planned if name not in rows),
        news=tail.news if tail else (),
        history=tail.history if tail else {},
    )


def _read(folder: Path) -> tuple[_Head, dict[str, CaseRow], _Tail | None]:
    path = folder / MATRIX_FILE
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise UsageError(f"{path}: no matrix can be read here: {error.strerror}.") from error
    try:
        head = _Head.model_validate_json(lines[0])
    except ValidationError as error:
        raise UsageError(
            f"{path}: line 1 is not {_SCHEMA!r}: name the folder of a matrix."
        ) from error
    rows: dict[str, CaseRow] = {}
    tail = None
    # After the last newline there is nothing, or a line that was cut off.
    for number, line in enumerate(lines[1:-1], start=2):
        try:
            if b'"ended_at"' in line[:12]:
                tail = _Tail.model_validate_json(line)
                continue
            row = CaseRow.model_validate_json(line)
        except ValidationError as error:
            raise RecordError(f"{path}: line {number} is no row of a matrix.") from error
        rows[row.name], tail = row, None
    return head, rows, tail


def _end_with_a_line(file: BinaryIO) -> None:
    """Remove a last line that was not written to its end."""
    file.seek(0)
    whole = file.read()
    file.truncate(whole.rfind(b"\n") + 1)
    file.seek(0, 2)

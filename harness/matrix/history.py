"""The results of earlier matrices: a SQLite file that several programs may write at once.

A row is an image in a matrix and is never deleted. Frequent queries have columns of their own, and
``record`` has the whole row as JSON. docs/history.md has queries for ``sqlite3``.
"""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from pydantic import ValidationError

from harness.errors import RecordError, UsageError
from harness.matrix.record import CaseRow, PastResult, past_result

HISTORY_FILE = "history.sqlite"
SCHEMA_VERSION = 1

# "hrns": marks the file as a history of harness ("PRAGMA application_id").
_APPLICATION_ID = 0x68726E73
# The number of last results with one key that must agree before a result is reused.
_MUST_AGREE = 10

_TABLES = """
CREATE TABLE tried (
    name TEXT NOT NULL,
    at TEXT NOT NULL,
    judgement TEXT NOT NULL,
    outcome TEXT NOT NULL,
    stage TEXT,
    cause TEXT,
    verdict_s REAL NOT NULL,
    sha256 TEXT,
    accel TEXT,
    reused INTEGER NOT NULL,
    reuse_key TEXT,
    record TEXT NOT NULL,
    PRIMARY KEY (name, at)
);
CREATE INDEX tried_by_key ON tried (reuse_key, at) WHERE reuse_key IS NOT NULL;
"""
_ADD = """
INSERT OR REPLACE INTO tried VALUES (
    :name, :at, :judgement, :outcome, :stage, :cause, :verdict_s, :sha256, :accel, :reused,
    :reuse_key, :record
)
"""
_PAST = f"""
SELECT {", ".join(PastResult.model_fields)} FROM tried
WHERE name = ? AND at < ? ORDER BY at DESC LIMIT ?
"""  # noqa: S608  the names of our own fields
_BY_REUSE_KEY = """
SELECT outcome, record FROM tried
WHERE reuse_key = ? AND NOT reused AND judgement IN ('right', 'wrong')
    AND outcome IN ('pass', 'fail')
ORDER BY at DESC LIMIT ?
"""

_FAULTS = {
    sqlite3.SQLITE_BUSY: "another program holds it: try again when that has ended",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: its folder has to be there, and to be writable",
    sqlite3.SQLITE_CORRUPT: "this history is damaged: move it away, and a new one is begun",
    sqlite3.SQLITE_FULL: "no room is left for the history",
    sqlite3.SQLITE_NOTADB: "is no history of a matrix: name another file",
    sqlite3.SQLITE_READONLY: "the history cannot be written: it is read-only",
}
_LAST = "9999"


class History:
    """The results of earlier matrices in the file ``path``, which is created if it is missing.

    A row is on disk when :meth:`add` returns, even if the program is killed then. A history belongs
    to the thread that made it. The constructor and all methods raise UsageError if the file is of
    another kind or version, is read-only, or is locked by another program for longer than
    ``lock_timeout_s``, RecordError if it is damaged.
    """

    def __init__(self, path: Path, lock_timeout_s: float = 30.0) -> None:
        self._path = path
        with self._faults_in_words():
            self._db = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, matrix_started_at: datetime.datetime, tried: CaseRow) -> None:
        """Add the row of an image in the matrix that was started at that moment.

        A second row for the same matrix and image replaces the first. Raises ValueError for a time
        without a time zone.
        """
        past = past_result(tried, matrix_started_at)
        row = {**dict(past), "at": _in_order(past.at), "name": tried.name}
        with self._faults_in_words():
            self._db.execute(_ADD, {**row, "record": tried.model_dump_json(by_alias=True)})

    def past(
        self, name: str, limit: int = 30, before: datetime.datetime | None = None
    ) -> tuple[PastResult, ...]:
        """Return the last ``limit`` results of an image, oldest first.

        With ``before``, only those of matrices that were started before that moment.
        """
        end = _in_order(before) if before else _LAST
        with self._faults_in_words():
            rows = self._db.execute(_PAST, (name, end, limit)).fetchall()
            return tuple(PastResult.model_validate(dict(row)) for row in reversed(rows))

    def known(self, key: str) -> CaseRow | None:
        """Return the last result with this reuse key, if it may take the place of a boot.

        That is a pass or a fail that was itself tried, not reused. None if the last results
        disagree: an image with both outcomes has to be tried. The judgement is that of its own
        time: see :func:`harness.matrix.reuse.reused_row`.
        """
        with self._faults_in_words():
            rows = self._db.execute(_BY_REUSE_KEY, (key, _MUST_AGREE)).fetchall()
        if len({row["outcome"] for row in rows}) != 1:
            return None
        # A row of another version that this one cannot read does not count.
        with suppress(ValidationError):
            return CaseRow.model_validate_json(rows[0]["record"])
        return None

    def names(self) -> tuple[str, ...]:
        """Return the names of the images that have a result, sorted."""
        with self._faults_in_words():
            rows = self._db.execute("SELECT DISTINCT name FROM tried ORDER BY name").fetchall()
        return tuple(row["name"] for row in rows)

    def _prepare(self) -> None:
        """Check that the file is a history and can be written; create the tables if it is empty."""
        self._db.row_factory = sqlite3.Row
        # Of several programs that create the same file, the first makes the tables.
        self._db.execute("BEGIN IMMEDIATE")
        if not self._db.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._set("application_id", _APPLICATION_ID)
            self._set("user_version", SCHEMA_VERSION)
        if self._read("application_id") != _APPLICATION_ID:
            raise UsageError(f"{self._path}: {_FAULTS[sqlite3.SQLITE_NOTADB]}.")
        version = self._read("user_version")
        if version != SCHEMA_VERSION:
            raise UsageError(
                f"{self._path}: this history is of version {version}, and this harness writes "
                f"version {SCHEMA_VERSION}: name another file."
            )
        self._db.execute("COMMIT")
        # With WAL, readers and a writer do not wait for each other. It is a property of the file:
        # if another program has the file locked now, that one sets it, or the next does.
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA journal_mode = WAL")

    def _read(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _set(self, pragma: str, value: int) -> None:
        self._db.execute(f"PRAGMA {pragma} = {value}")

    @contextmanager
    def _faults_in_words(self) -> Iterator[None]:
        """Raise an error of SQLite about the file as one sentence; a bug of harness as it is."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise
        except sqlite3.DatabaseError as error:
            # The upper bits only distinguish cases of the same error.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            words = _FAULTS.get(code, f"the history cannot be used: {error}")
            kind = RecordError if code == sqlite3.SQLITE_CORRUPT else UsageError
            raise kind(f"{self._path}: {words}.") from error
        except (ValidationError, UnicodeDecodeError) as error:
            words = _FAULTS[sqlite3.SQLITE_CORRUPT]
            raise RecordError(f"{self._path}: {words}.") from error


def _in_order(at: datetime.datetime) -> str:
    """Return a time as text that sorts by time; raises ValueError if it has no time zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at}: a time in a history needs its zone")
    return at.astimezone(datetime.UTC).isoformat(timespec="microseconds")

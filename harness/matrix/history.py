"""What came of earlier matrices: a SQLite file that several programs may write at once.

A row stands for an image in a matrix, for good: what is asked for often in columns of their own,
the whole of it as JSON in ``record``. docs/history.md has questions to ask of it with ``sqlite3``.
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
from harness.matrix.record import Past, Tried, as_past

HISTORY_FILE = "history.sqlite"
SCHEMA_VERSION = 1

# "hrns": tells a history from the database of another program ("PRAGMA application_id").
_APPLICATION_ID = 0x68726E73
# So many results with one key have to agree before another boot is spared.
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
SELECT {", ".join(Past.model_fields)} FROM tried
WHERE name = ? AND at < ? ORDER BY at DESC LIMIT ?
"""  # noqa: S608  the names of our own fields
_KNOWN = """
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
    """The results of earlier matrices in the file ``path``, which is made where there is none.

    Everything that is added is on disk when :meth:`add` returns, whatever becomes of the program.
    Used by the thread that made it. The constructor and all methods raise UsageError where the file
    is of another kind or version, is read-only, or is held by another program for longer than
    ``patience_s``, RecordError where it is damaged.
    """

    def __init__(self, path: Path, patience_s: float = 30.0) -> None:
        self._path = path
        with self._faults_in_words():
            self._db = sqlite3.connect(path, timeout=patience_s, isolation_level=None)
            try:
                self._prepare()
            except BaseException:
                self._db.close()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def add(self, matrix_started_at: datetime.datetime, tried: Tried) -> None:
        """Keep what came of an image in the matrix that was started then.

        What is added again for the same matrix and image takes the place of the first. Raises
        ValueError for a time without its zone.
        """
        past = as_past(tried, matrix_started_at)
        row = {**dict(past), "at": _in_order(past.at), "name": tried.name}
        with self._faults_in_words():
            self._db.execute(_ADD, {**row, "record": tried.model_dump_json(by_alias=True)})

    def past(
        self, name: str, limit: int = 30, before: datetime.datetime | None = None
    ) -> tuple[Past, ...]:
        """The last ``limit`` results of an image, oldest first.

        With ``before``, only those of matrices that were started before that moment.
        """
        end = _in_order(before) if before else _LAST
        with self._faults_in_words():
            rows = self._db.execute(_PAST, (name, end, limit)).fetchall()
            return tuple(Past.model_validate(dict(row)) for row in reversed(rows))

    def known(self, key: str) -> Tried | None:
        """The last result with this reuse key, where it tells enough to spare a boot.

        That is a pass or a fail that was tried, not one that was reused itself. None where the
        last of them disagree: an image that comes out both ways is to be tried. Its judgement is
        that of its own time: see :func:`harness.matrix.reuse.again`.
        """
        with self._faults_in_words():
            rows = self._db.execute(_KNOWN, (key, _MUST_AGREE)).fetchall()
        if len({row["outcome"] for row in rows}) != 1:
            return None
        # What another version wrote and this one does not understand is not known.
        with suppress(ValidationError):
            return Tried.model_validate_json(rows[0]["record"])
        return None

    def names(self) -> tuple[str, ...]:
        """The images that have a result, in the order of the alphabet."""
        with self._faults_in_words():
            rows = self._db.execute("SELECT DISTINCT name FROM tried ORDER BY name").fetchall()
        return tuple(row["name"] for row in rows)

    def _prepare(self) -> None:
        """See that the file is ours and can be written; make the tables where it is empty."""
        self._db.row_factory = sqlite3.Row
        # Of several programs that begin the same file, the first makes the tables.
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
        # Readers and a writer do not wait for each other then. It is a property of the file: where
        # another program is at it, that one sets it, or the next does.
        with suppress(sqlite3.OperationalError):
            self._db.execute("PRAGMA journal_mode = WAL")

    def _read(self, pragma: str) -> int:
        return int(self._db.execute(f"PRAGMA {pragma}").fetchone()[0])

    def _set(self, pragma: str, value: int) -> None:
        self._db.execute(f"PRAGMA {pragma} = {value}")

    @contextmanager
    def _faults_in_words(self) -> Iterator[None]:
        """What SQLite says of the file becomes one sentence; a bug of ours stays what it is."""
        try:
            yield
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise
        except sqlite3.DatabaseError as error:
            # The upper bits only tell cases of the same error apart.
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            words = _FAULTS.get(code, f"the history cannot be used: {error}")
            kind = RecordError if code == sqlite3.SQLITE_CORRUPT else UsageError
            raise kind(f"{self._path}: {words}.") from error
        except (ValidationError, UnicodeDecodeError) as error:
            words = _FAULTS[sqlite3.SQLITE_CORRUPT]
            raise RecordError(f"{self._path}: {words}.") from error


def _in_order(at: datetime.datetime) -> str:
    """A moment as text whose order is that of time; raises ValueError where it has no zone."""
    if at.tzinfo is None:
        raise ValueError(f"{at}: a time in a history needs its zone")
    return at.astimezone(datetime.UTC).isoformat(timespec="microseconds")

"""The history keeps its rows for the next matrix, however the program that wrote them ends."""

import datetime
import os
import random
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import RecordError, UsageError
from harness.matrix.catalog import Expectation
from harness.matrix.history import SCHEMA_VERSION, History
from harness.matrix.record import past_result
from tests.matrix.rows import night, tried

pytestmark = pytest.mark.programs


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


@pytest.fixture
def history(path: Path) -> Iterator[History]:
    with History(path) as opened:
        yield opened


def begin_writer(path: Path, writer: int, count: int) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "tests.matrix.writer", path, str(writer), str(count)]
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def test_a_row_is_there_for_the_next_program(path: Path) -> None:
    rows = [
        tried(verdict_s=41.5),
        tried(outcome="fail", sha256=None, accel=None, stage=None, reuse_key="k"),
        tried(outcome="error", reused=True),
    ]
    with History(path) as history:
        for number, row in enumerate(rows, start=1):
            history.add(night(number), row)
        history.add(night(2), tried("alpine"))
    with History(path) as history:
        expected = tuple(
            past_result(row, night(number)) for number, row in enumerate(rows, start=1)
        )
        assert history.past("debian") == expected
        assert history.names() == ("alpine", "debian")
        assert history.past("windows") == ()


def test_the_same_matrix_and_image_are_one_row_and_the_last_word_counts(history: History) -> None:
    history.add(night(1), tried(outcome="error"))
    history.add(night(1), tried(outcome="fail"))
    history.add(night(1), tried(outcome="fail"))
    assert [row.outcome for row in history.past("debian")] == ["fail"]


def test_one_moment_in_two_time_zones_is_one_matrix(history: History) -> None:
    abroad = datetime.timezone(datetime.timedelta(hours=-7))
    history.add(night(1), tried())
    history.add(night(1).astimezone(abroad), tried(outcome="fail"))
    assert [row.at for row in history.past("debian")] == [night(1)]


def test_results_come_oldest_first_in_whatever_order_and_zone_they_were_added(
    history: History,
) -> None:
    dice = random.Random(7)
    moments = [
        (night(1) + datetime.timedelta(hours=dice.randrange(400), microseconds=number)).astimezone(
            datetime.timezone(datetime.timedelta(minutes=dice.randrange(-720, 840)))
        )
        for number in range(60)
    ]
    for at in moments:
        history.add(at, tried())
    assert [row.at for row in history.past("debian", limit=100)] == sorted(moments)
    assert [row.at for row in history.past("debian")] == sorted(moments)[-30:]
    middle = sorted(moments)[20]
    earlier = history.past("debian", limit=5, before=middle)
    assert [row.at for row in earlier] == sorted(moments)[15:20]


def test_a_time_without_its_zone_is_refused(history: History) -> None:
    with pytest.raises(ValueError, match="zone"):
        history.add(night(1).replace(tzinfo=None), tried())


class TestReuse:
    def test_the_last_result_with_the_key_is_the_whole_row(self, history: History) -> None:
        newer = tried(reuse_key="k", verdict_s=50.0, tags=("a",), why="why")
        history.add(night(2), newer)
        history.add(night(1), tried(reuse_key="k"))
        history.add(night(3), tried(reuse_key="other"))
        history.add(night(4), tried())
        assert history.known("k") == newer
        assert history.known("none") is None

    def test_a_wrong_result_spares_a_boot_as_well(self, history: History) -> None:
        history.add(night(1), tried(outcome="fail", reuse_key="k"))
        known = history.known("k")
        assert known
        assert known.judgement == "wrong"

    @pytest.mark.parametrize("outcome", ["error", "inconclusive"])
    def test_an_error_or_inconclusive_result_is_not_reused(
        self, history: History, outcome: str
    ) -> None:
        right = Expectation(outcome="inconclusive")
        history.add(night(1), tried(outcome=outcome, expected=right, reuse_key="k"))
        assert history.known("k") is None
        history.add(night(2), tried(reuse_key="k"))
        history.add(night(3), tried(outcome=outcome, expected=right, reuse_key="k"))
        known = history.known("k")
        assert known
        assert known.result.outcome == "pass"

    def test_a_reused_result_is_traced_to_its_boot(self, history: History) -> None:
        booted = tried(reuse_key="k")
        history.add(night(1), booted)
        history.add(night(2), tried(reuse_key="k", reused=True, run_dir=None))
        assert history.known("k") == booted

    def test_an_image_with_both_outcomes_is_tried(self, history: History) -> None:
        history.add(night(1), tried(reuse_key="k"))
        history.add(night(2), tried(outcome="fail", reuse_key="k"))
        assert history.known("k") is None
        for number in range(3, 13):
            history.add(night(number), tried(reuse_key="k"))
        assert history.known("k")

    def test_a_row_that_this_version_does_not_understand_is_not_known(
        self, path: Path, history: History
    ) -> None:
        history.add(night(1), tried(reuse_key="k"))
        with sqlite3.connect(path) as other:
            other.execute("UPDATE tried SET record = json_set(record, '$.later', 1)")
        assert history.known("k") is None
        assert len(history.past("debian")) == 1


class TestManyPrograms:
    def test_programs_that_begin_and_write_one_file_at_once_lose_nothing(self, path: Path) -> None:
        writers = [begin_writer(path, writer, 40) for writer in range(5)]
        for process in writers:
            go(process)
        for process in writers:
            _, said = process.communicate(timeout=120)
            assert (process.returncode, said) == (0, "")
        with History(path) as history:
            assert len(history.names()) == 5 * 40

    def test_rows_survive_a_program_that_is_killed(self, path: Path) -> None:
        kept: set[str] = set()
        for writer, moment in enumerate((1, 20, 77)):
            process = begin_writer(path, writer, 1_000_000)
            go(process)
            assert process.stdout is not None
            for _ in range(moment):
                kept.add(f"image-{writer}-{int(process.stdout.readline()):06}")
            process.kill()
            process.communicate(timeout=60)
            with History(path) as history:
                names = history.names()
                assert kept <= set(names)
                history.add(night(1), tried())
        with sqlite3.connect(path) as database:
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            of_last = database.execute("SELECT count(*) FROM tried WHERE name LIKE 'image-2-%'")
            assert of_last.fetchone()[0] >= 77

    def test_a_writer_does_not_wait_for_a_reader(self, path: Path) -> None:
        with History(path, lock_timeout_s=0.05) as history:
            history.add(night(1), tried())
            reader = sqlite3.connect(path, isolation_level=None)
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM tried").fetchone() == (1,)
            history.add(night(2), tried())
            assert reader.execute("SELECT count(*) FROM tried").fetchone() == (1,)
            assert len(history.past("debian")) == 2
            reader.close()


class TestFaults:
    def fault(self, path: Path) -> str:
        with pytest.raises((UsageError, RecordError)) as caught, History(path, lock_timeout_s=0.05):
            pass
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @pytest.mark.parametrize(
        "content",
        [b"no database", b"\0" * 8192, random.Random(3).randbytes(4096)],
        ids=["text", "zeros", "noise"],
    )
    def test_another_kind_of_file(self, path: Path, content: bytes) -> None:
        path.write_bytes(content)
        assert "is no history of a matrix" in self.fault(path)
        assert path.read_bytes() == content

    def test_a_database_of_another_program(self, path: Path) -> None:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE bookmarks (url)")
            other.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        before = path.read_bytes()
        assert "is no history of a matrix" in self.fault(path)
        assert path.read_bytes() == before

    def test_a_history_of_another_version(self, path: Path) -> None:
        with History(path):
            pass
        with sqlite3.connect(path) as other:
            other.execute("PRAGMA user_version = 77")
        assert "is of version 77" in self.fault(path)

    def test_a_file_that_another_program_holds(self, path: Path) -> None:
        with History(path) as history:
            history.add(night(1), tried())
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        assert "another program holds it" in self.fault(path)
        holder.execute("COMMIT")
        with History(path, lock_timeout_s=0.05) as history:
            holder.execute("BEGIN IMMEDIATE")
            with pytest.raises(UsageError, match="another program holds it"):
                history.add(night(1), tried())
        holder.close()

    @pytest.mark.parametrize("what", ["folder", "missing folder"])
    def test_no_place_for_a_file(self, tmp_path: Path, what: str) -> None:
        place = tmp_path if what == "folder" else tmp_path / "missing" / "history.sqlite"
        assert "cannot be opened" in self.fault(place)

    @pytest.mark.parametrize("what", ["file", "folder"])
    def test_a_file_that_may_not_be_written(self, path: Path, what: str) -> None:
        with History(path) as history:
            history.add(night(1), tried())
        (path if what == "file" else path.parent).chmod(0o444 if what == "file" else 0o555)
        # Root may write whatever the mode says, unless that power is taken from it.
        humbly = ["setpriv", "--bounding-set", "-dac_override"] if os.geteuid() == 0 else []
        words = [*humbly, sys.executable, "-m", "tests.matrix.writer", str(path), "1", "1"]
        done = subprocess.run(
            words,
            input="\n",
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=False,
        )
        path.parent.chmod(0o755)
        assert done.returncode == 1, done.stderr
        assert done.stderr.startswith(f"harness: {path}: ")
        assert done.stderr.count("\n") == 1
        with History(path) as history:
            assert history.names() == ("debian",)

    def test_any_damage_is_one_sentence(self, path: Path) -> None:
        with History(path) as history:
            for number in range(1, 25):
                history.add(night(number), tried(reuse_key="k"))
        whole = path.read_bytes()
        dice = random.Random(11)
        refused = 0
        for _ in range(150):
            damaged = bytearray(whole)
            for _ in range(dice.choice((1, 8, 64))):
                damaged[dice.randrange(len(damaged))] = dice.randrange(256)
            for rest in path.parent.iterdir():
                rest.unlink()
            path.write_bytes(damaged[: dice.choice((len(damaged), dice.randrange(len(damaged))))])
            refused += not _survives(path)
        assert refused > 50

    def test_columns_that_are_not_there(self, path: Path) -> None:
        with History(path):
            pass
        with sqlite3.connect(path) as other:
            other.execute("ALTER TABLE tried DROP COLUMN accel")
        with History(path) as history, pytest.raises(UsageError, match="cannot be used"):
            history.past("debian")


def _use(path: Path) -> None:
    with History(path) as history:
        history.past("debian")
        history.known("k")
        history.names()
        history.add(night(30), tried())


def _survives(path: Path) -> bool:
    """Whether nothing was amiss; anything but one sentence fails the test."""
    try:
        _use(path)
    except (UsageError, RecordError) as error:
        said = str(error)
    else:
        return True
    assert "\n" not in said
    return False

from pathlib import Path

import pytest

from harness.errors import RecordError, UsageError
from harness.matrix.folder import MatrixFolder, is_matrix, read_matrix
from harness.matrix.record import MATRIX_FILE
from tests.matrix.rows import tried


def begun(folder: Path, *names: str, resume: bool = False) -> MatrixFolder:
    return MatrixFolder(folder, names, resume=resume)


def test_a_matrix_is_read_as_far_as_it_went(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "matrix"
    with begun(folder, "a", "b", "c") as matrix:
        matrix.add(tried("c"))
        matrix.add(tried("a", outcome="fail"))
        came = read_matrix(folder)
        assert [row.name for row in came.tried] == ["a", "c"]
        assert came.missing == ("b",)
        assert came.ended_at is None
        matrix.end((), {})
    assert is_matrix(folder)
    assert read_matrix(folder).ended_at
    assert not is_matrix(tmp_path)


def test_a_resumed_matrix_tries_missing_images_and_errors(tmp_path: Path) -> None:
    with begun(tmp_path, "a", "b", "c") as matrix:
        matrix.add(tried("a", outcome="error"))
        matrix.add(tried("b"))
        matrix.end((), {})
    with begun(tmp_path, "a", "b", "c", resume=True) as matrix:
        assert matrix.missing == {"a", "c"}
        matrix.add(tried("a"))
        assert matrix.missing == {"c"}
    came = read_matrix(tmp_path)
    assert [row.judgement for row in came.tried] == ["right", "right"]
    assert came.ended_at is None


@pytest.mark.parametrize("torn", [b'{"name": "b", "cata', b"\xff\xff", b"\n"[:0]])
def test_a_line_that_was_cut_off_is_passed_over(tmp_path: Path, torn: bytes) -> None:
    with begun(tmp_path, "a", "b") as matrix:
        matrix.add(tried("a"))
    with (tmp_path / MATRIX_FILE).open("ab") as file:
        file.write(torn)
    assert read_matrix(tmp_path).missing == ("b",)
    with begun(tmp_path, "a", "b", resume=True) as matrix:
        matrix.add(tried("b"))
    assert [row.name for row in read_matrix(tmp_path).tried] == ["a", "b"]


def test_only_one_is_at_work_in_a_folder(tmp_path: Path) -> None:
    with begun(tmp_path, "a"), pytest.raises(UsageError, match="another matrix is at work"):
        begun(tmp_path, "a", resume=True)
    with pytest.raises(UsageError, match="holds a matrix already"):
        begun(tmp_path, "a")
    with pytest.raises(UsageError, match="has other images"):
        begun(tmp_path, "b", resume=True)


def test_another_folder_is_not_a_matrix(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no matrix can be read"):
        read_matrix(tmp_path)
    (tmp_path / MATRIX_FILE).write_text("{}\n")
    with pytest.raises(UsageError, match="line 1"):
        read_matrix(tmp_path)
    with begun(tmp_path / "b", "a") as matrix:
        matrix.add(tried("a"))
    (tmp_path / "b" / MATRIX_FILE).write_text(
        (tmp_path / "b" / MATRIX_FILE).read_text() + '{"x": 1}\n'
    )
    with pytest.raises(RecordError, match="line 3 is no row"):
        read_matrix(tmp_path / "b")
    with pytest.raises(UsageError, match="no matrix can be kept"):
        begun(tmp_path / MATRIX_FILE, "a")


def test_the_place_of_a_run_is_empty(tmp_path: Path) -> None:
    with begun(tmp_path, "a", "ab") as matrix:
        for left in ("a", "a.attempt-1", "ab"):
            (tmp_path / "runs" / left).mkdir()
            (tmp_path / "runs" / left / "evidence.jsonl").touch()
        assert not matrix.run_dir("a").exists()
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["ab"]

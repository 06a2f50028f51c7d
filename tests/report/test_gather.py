"""Folders of runs as a matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, RecordError, UsageError
from harness.matrix.folder import MatrixFolder
from harness.report.gather import gather
from tests.report.samples import panic, tried, unpack


def test_run_becomes_a_row_that_is_expected_to_pass(tmp_path: Path) -> None:
    whole, folder = gather([unpack("grub-rescue", tmp_path)])
    (row,) = whole.tried
    assert (row.name, row.judgement) == ("grub-rescue", "wrong")
    assert (row.differs, row.expected.outcome) == (("outcome", "cause"), "pass")
    assert row.run_dir is not None
    assert (folder / row.run_dir / "evidence.jsonl").exists()
    assert whole.exit_status == 1


def test_written_result_is_used_if_present(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(panic().to_json())
    whole, _ = gather([tmp_path])
    assert whole.tried[0].result == panic()
    assert whole.tried[0].wall_s == pytest.approx(12.6)


def test_several_runs_become_one_matrix(tmp_path: Path) -> None:
    runs = [unpack(name, tmp_path) for name in ("grub-rescue", "healthy-tiny")]
    whole, folder = gather([*runs, runs[0]])
    assert [row.name for row in whole.tried] == ["grub-rescue", "healthy-tiny", "grub-rescue-2"]
    assert all(row.run_dir and (folder / row.run_dir).is_dir() for row in whole.tried)
    assert whole.ended_at is not None
    assert whole.started_at < whole.ended_at


def a_matrix(folder: Path) -> Path:
    """The folder of a matrix of two images, of which one was tried."""
    with MatrixFolder(folder, ["bad", "late"], resume=False) as kept:
        unpack("grub-rescue", folder / "runs")
        kept.add(tried("bad", panic(), run_dir="runs/grub-rescue"))
    return folder


def test_matrix_folder_is_read(tmp_path: Path) -> None:
    whole, folder = gather([a_matrix(tmp_path)])
    assert whole.tried == (tried("bad", panic(), run_dir="runs/grub-rescue"),)
    assert (whole.missing, whole.ended_at, folder) == (("late",), None, tmp_path)


def test_matrix_and_run_are_combined(tmp_path: Path) -> None:
    run = unpack("healthy-tiny", tmp_path)
    whole, folder = gather([a_matrix(tmp_path / "matrix"), run])
    assert [(row.name, row.judgement) for row in whole.tried] == [
        ("bad", "wrong"),
        ("healthy-tiny", "right"),
    ]
    assert all((folder / str(row.run_dir) / "evidence.jsonl").exists() for row in whole.tried)
    assert whole.missing == ("late",)


def test_unreadable_matrix_is_refused(tmp_path: Path) -> None:
    (tmp_path / "matrix.jsonl").write_text("no json\n")
    with pytest.raises(UsageError, match="line 1 is not"):
        gather([tmp_path])


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (None, UsageError, "is neither the folder of a run nor that of a matrix"),
        ("{}", RecordError, "is no result: image: Field required"),
        ("no json", RecordError, "is no result"),
    ],
)
def test_other_folder_is_refused(
    tmp_path: Path, content: str | None, kind: type[HarnessError], words: str
) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(kind, match=words):
        gather([tmp_path])

"""Folders of runs as a matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.report.gather import gather
from tests.report.samples import panic, unpack


def test_a_run_is_a_row_that_is_expected_to_pass(tmp_path: Path) -> None:
    whole, folder = gather([unpack("grub-rescue", tmp_path)])
    (row,) = whole.tried
    assert (row.name, row.judgement) == ("grub-rescue", "wrong")
    assert (row.differs, row.expected.outcome) == (("outcome", "cause"), "pass")
    assert row.run_dir is not None
    assert (folder / row.run_dir / "evidence.jsonl").exists()
    assert whole.exit_status == 1


def test_the_written_result_stands(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text(panic().to_json())
    whole, _ = gather([tmp_path])
    assert whole.tried[0].result == panic()
    assert whole.tried[0].wall_s == pytest.approx(12.6)


def test_several_runs_are_one_matrix(tmp_path: Path) -> None:
    runs = [unpack(name, tmp_path) for name in ("grub-rescue", "healthy-tiny")]
    whole, folder = gather([*runs, runs[0]])
    assert [row.name for row in whole.tried] == ["grub-rescue", "healthy-tiny", "grub-rescue-2"]
    assert all(row.run_dir and (folder / row.run_dir).is_dir() for row in whole.tried)
    assert whole.ended_at is not None
    assert whole.started_at < whole.ended_at


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "is neither the folder of a run nor that of a matrix"),
        ("{}", "is no result: image: Field required"),
        ("no json", "is no result"),
    ],
)
def test_what_is_no_run(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content)
    with pytest.raises(UsageError, match=words):
        gather([tmp_path])

"""Reports as files: whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.report.files import FORMATS_OF_A_MATRIX, REPORT_FORMATS, write_reports
from tests.report.samples import nightly


def test_each_kind_is_written_and_nothing_beside_it(tmp_path: Path) -> None:
    targets = {kind: tmp_path / kind for kind in REPORT_FORMATS}
    write_reports(nightly(), tmp_path, targets)
    assert {path.name for path in tmp_path.iterdir()} == set(REPORT_FORMATS)
    assert json.loads((tmp_path / "json").read_text())["schema"] == "harness.matrix/1"
    assert (tmp_path / "html").read_text().lower().startswith("<!doctype html>")


def test_report_can_go_to_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_reports(nightly(), tmp_path, {"json": Path("-")})
    assert json.loads(capsys.readouterr().out)["schema"] == "harness.matrix/1"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        write_reports(nightly(), tmp_path, {"json": tmp_path / "nowhere" / "x.json"})
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_reports(nightly(), tmp_path, {"json": tmp_path / "folder"})
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_matrix_has_one_of_each_format_but_of_its_object() -> None:
    names = [row.file_name for row in FORMATS_OF_A_MATRIX.values()]
    assert len(set(names)) == len(names)
    assert REPORT_FORMATS.keys() - FORMATS_OF_A_MATRIX.keys() == {"json"}

"""The output for GitHub Actions: a real file for the summary, commands for annotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HostError
from harness.report.github import MAX_ANNOTATIONS, report_to_github, workflow_commands
from tests.report.samples import hostile, matrix, nightly, panic, result, tried


def test_nothing_is_written_outside_of_github() -> None:
    assert report_to_github(nightly(), {}) == ()


def test_summary_is_appended(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before")
    report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(file)})
    text = file.read_text()
    assert text.startswith("before\n## 2 of 5 images")
    report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text().count("## 2 of 5 images") == 2


@pytest.mark.parametrize("written", [1_000_000, 1_048_500, 2_000_000])
def test_summary_of_a_step_stays_below_a_mebibyte(tmp_path: Path, written: int) -> None:
    file = tmp_path / "summary.md"
    file.write_text("x" * written)
    rows = [tried(f"image-{number}", panic()) for number in range(2000)]
    report_to_github(matrix(*rows), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.stat().st_size <= max(written, 1 << 20)
    assert (file.stat().st_size > written) == (written == 1_000_000)


def test_unwritable_summary_is_a_host_error(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "summary.md")})


def test_each_row_that_is_not_right_gets_an_annotation() -> None:
    lines = report_to_github(nightly(), {"GITHUB_ACTIONS": "true"})
    assert [line.split("::")[1] for line in lines] == [
        "error title=bad%3A fail%2C initrd%2C boot.kernel-panic",
        "error title=spoiled%3A error%2C host.no-space",
    ]
    assert lines[0].split("::", 2)[2].startswith("The kernel panicked.%0Aexpected: pass%0Aremedy: ")


def test_hostile_text_makes_no_workflow_command() -> None:
    for line in workflow_commands(hostile()):
        assert len(line.splitlines()) == 1
        title, message = line.removeprefix("::error title=").split("::", 1)
        assert not set(title) & set(":,\r\n")
        # Each percent sign is one of ours: "owned%0A%" of the text is "owned%250A%25".
        assert "owned%250A%25" in message
        assert "\x1b" not in line


def test_annotations_are_limited_to_what_github_shows() -> None:
    rows = [tried(f"image-{number}", panic()) for number in range(25)]
    lines = list(workflow_commands(matrix(*rows)))
    assert len(lines) == MAX_ANNOTATIONS
    assert lines[-1] == "::error title=harness::16 images more are not right."
    assert len(list(workflow_commands(matrix(*rows[:10])))) == 10
    assert list(workflow_commands(matrix(tried("a", result())))) == []

"""What GitHub Actions is given: a real file for the summary, commands for annotations."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HostError
from harness.report.github import MAX_ANNOTATIONS, report_to_github, workflow_commands
from tests.report.samples import hostile, matrix, nightly, panic, result, tried


def test_nothing_elsewhere() -> None:
    assert report_to_github(nightly(), {}) == ()


def test_the_summary_is_appended(tmp_path: Path) -> None:
    file = tmp_path / "summary.md"
    file.write_text("before")
    report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(file)})
    text = file.read_text()
    assert text.startswith("before\n## 2 of 5 images")
    report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.read_text().count("## 2 of 5 images") == 2


@pytest.mark.parametrize("written", [1_000_000, 1_048_500, 2_000_000])
def test_a_step_never_has_more_than_a_mebibyte(tmp_path: Path, written: int) -> None:
    file = tmp_path / "summary.md"
    file.write_text("x" * written)
    rows = [tried(f"image-{number}", panic()) for number in range(2000)]
    report_to_github(matrix(*rows), {"GITHUB_STEP_SUMMARY": str(file)})
    assert file.stat().st_size <= max(written, 1 << 20)
    assert (file.stat().st_size > written) == (written == 1_000_000)


def test_a_summary_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="cannot be written"):
        report_to_github(nightly(), {"GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "summary.md")})


def test_an_annotation_for_each_that_is_not_right() -> None:
    lines = report_to_github(nightly(), {"GITHUB_ACTIONS": "true"})
    assert [line.split("::")[1] for line in lines] == [
        "error title=bad%3A fail%2C initrd%2C boot.kernel-panic",
        "error title=spoiled%3A error%2C host.no-space",
    ]
    assert lines[0].split("::", 2)[2].startswith("The kernel panicked.%0Aexpected: pass%0Aremedy: ")


def test_hostile_texts_make_no_command_of_their_own() -> None:
    for line in workflow_commands(hostile()):
        assert len(line.splitlines()) == 1
        title, message = line.removeprefix("::error title=").split("::", 1)
        assert not set(title) & set(":,\r\n")
        # Each percent sign is one of ours: "owned%0A%" of the text is "owned%250A%25".
        assert "owned%250A%25" in message
        assert "\x1b" not in line


def test_not_more_than_github_shows() -> None:
    rows = [tried(f"image-{number}", panic()) for number in range(25)]
    lines = list(workflow_commands(matrix(*rows)))
    assert len(lines) == MAX_ANNOTATIONS
    assert lines[-1] == "::error title=harness::16 images more are not right."
    assert len(list(workflow_commands(matrix(*rows[:10])))) == 10
    assert list(workflow_commands(matrix(tried("a", result())))) == []

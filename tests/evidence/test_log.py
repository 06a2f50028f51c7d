from pathlib import Path

import pytest

from harness.errors import RecordError, UsageError
from harness.evidence.log import EvidenceLog, Observation, read_evidence


def test_what_is_recorded_is_read_back_in_order(tmp_path: Path) -> None:
    seen: list[Observation] = []
    with EvidenceLog(tmp_path / "evidence.jsonl") as log:
        log.subscribe(seen.append)
        log.record("run", "start", until="network")
        log.power_on()
        log.record("serial", "line", text="caf\u00e9 \x1b[31m \ud800", offset=7)
    back = list(read_evidence(tmp_path / "evidence.jsonl"))
    assert [(row.channel, row.kind, dict(row.data)) for row in back] == [
        (row.channel, row.kind, dict(row.data)) for row in seen
    ]
    assert back[0].t_s == 0.0
    assert back[1].data["text"] == "caf\u00e9 \x1b[31m \ud800"


def test_an_observation_is_on_disk_before_a_subscriber_hears_of_it(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    found: list[bool] = []
    with EvidenceLog(path) as log:
        log.subscribe(lambda _: found.append("decisive" in path.read_text()))
        log.record("serial", "line", text="decisive")
    assert found == [True]


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    with EvidenceLog(tmp_path / "evidence.jsonl"):
        pass
    with pytest.raises(FileExistsError):
        EvidenceLog(tmp_path / "evidence.jsonl")


def test_a_last_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    with EvidenceLog(path) as log:
        log.record("run", "start")
        log.record("serial", "line", text="x")
    path.write_text(path.read_text()[:-9])
    assert [row.channel for row in read_evidence(path)] == ["run"]


@pytest.mark.parametrize("line", ["[]", "{}", "no json", '{"t_s": "x"}', '{"t_s": null}'])
def test_a_broken_line_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "evidence.jsonl"
    with EvidenceLog(path) as log:
        log.record("run", "start")
    path.write_text(path.read_text() + line + "\n" + path.read_text().splitlines()[1] + "\n")
    with pytest.raises(RecordError, match="line 3"):
        list(read_evidence(path))


@pytest.mark.parametrize("content", ["", "{}", "\x00\x01"])
def test_what_is_no_log_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"line 1 is not 'harness.evidence/1'"):
        list(read_evidence(path))


def test_a_missing_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        list(read_evidence(tmp_path / "evidence.jsonl"))

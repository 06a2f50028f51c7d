from pathlib import Path

import pytest

from harness.errors import RecordError, UsageError
from harness.evidence.codec import OLD_SCHEMA, header
from harness.evidence.events import DiskReads, SerialLine
from harness.evidence.log import EvidenceLog, Observation, read_evidence
from tests.evidence.samples import run_start


def test_what_is_recorded_is_read_back_in_order(tmp_path: Path) -> None:
    seen: list[Observation] = []
    with EvidenceLog(tmp_path / "evidence.jsonl") as log:
        log.subscribe(seen.append)
        log.record(run_start(until="network"))
        log.power_on()
        log.record(SerialLine("caf\u00e9 \x1b[31m \ud800", 7))
    back = list(read_evidence(tmp_path / "evidence.jsonl"))
    assert back == seen
    assert back[0].t_s == 0.0
    assert back[1].event == SerialLine("caf\u00e9 \x1b[31m \ud800", 7)


def test_an_observation_is_on_disk_before_subscribers_get_it(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    found: list[bool] = []
    with EvidenceLog(path) as log:
        log.subscribe(lambda _: found.append("decisive" in path.read_text()))
        log.record(SerialLine("decisive", 0))
    assert found == [True]


def test_a_second_run_does_not_overwrite_the_first(tmp_path: Path) -> None:
    with EvidenceLog(tmp_path / "evidence.jsonl"):
        pass
    with pytest.raises(FileExistsError):
        EvidenceLog(tmp_path / "evidence.jsonl")


def written(path: Path) -> list[str]:
    with EvidenceLog(path) as log:
        log.record(run_start())
        log.record(SerialLine("x", 0))
    return path.read_text().splitlines()


def test_an_incomplete_last_line_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_text("\n".join(written(path))[:-9])
    assert [row.event.channel for row in read_evidence(path)] == ["run"]


@pytest.mark.parametrize(
    "line",
    [
        "[]",
        "{}",
        "no json",
        '{"t_s": "x"}',
        '{"t_s": null}',
        '{"t_s": NaN, "channel": "machine", "kind": "power-on"}',
        '{"t_s": 1, "channel": "disk", "kind": "reads"}',
        '{"t_s": 1, "channel": "disk", "kind": "reads", "read_bytes": "many"}',
        '{"t_s": 1, "channel": "disk", "kind": "reads", "read_bytes": 1, "more": 1}',
    ],
)
def test_a_damaged_line_raises_an_error_that_names_it(tmp_path: Path, line: str) -> None:
    path = tmp_path / "evidence.jsonl"
    first, start, last = written(path)
    path.write_text("\n".join([first, start, line, last]) + "\n")
    with pytest.raises(RecordError, match="line 3 is not an observation"):
        list(read_evidence(path))


def test_an_event_of_a_newer_version_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    line = '{"t_s": 1, "channel": "oracle", "kind": "word"}'
    path.write_text("\n".join([*written(path), line]) + "\n")
    with pytest.raises(RecordError, match="oracle/word: a newer one wrote it"):
        list(read_evidence(path))


@pytest.mark.parametrize("content", ["", "{}", "\x00\x01", '{"schema": "harness.evidence/3"}'])
def test_a_file_that_is_no_evidence_log_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "evidence.jsonl"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"line 1 is not 'harness.evidence/2' or older"):
        list(read_evidence(path))


def test_a_missing_log_raises_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        list(read_evidence(tmp_path / "evidence.jsonl"))


def test_a_log_of_the_first_schema_is_read(tmp_path: Path) -> None:
    path = tmp_path / "evidence.jsonl"
    line = '{"t_s": 1, "channel": "disk", "kind": "reads", "read_bytes": 512}'
    path.write_text(f"{header(OLD_SCHEMA)}\n{line}\n")
    assert list(read_evidence(path)) == [Observation(1.0, DiskReads(512))]

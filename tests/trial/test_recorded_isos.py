"""Recorded runs of real installers, judged again without a machine."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.prompts import Answerer
from harness.evidence.events import PromptAnswer
from harness.evidence.log import Observation, read_evidence
from harness.trial.replay import judge_record

RECORDINGS = Path(__file__).parent / "isos"
SUFFIX = ".evidence.jsonl.xz"

# By the name of the recipe; "-install" with --install.
EXPECTED = {
    "debian-installer-13": ("pass", "network", None),
    "debian-installer-13-install": ("pass", "rebooted", None),
    # Installations from an archive: one to its end, and one that stopped at a package.
    "debian-installer-13-netboot-install": ("pass", "rebooted", None),
    "debian-installer-13-netboot-stuck": ("fail", "network", "installer.failed"),
    "debian-installer-13-no-virtio-scsi": ("inconclusive", "network", None),
    "debian-installer-13-no-virtio-net": ("fail", "installer", "network.silent"),
}


def recorded(folder: Path, name: str) -> list[Observation]:
    evidence = folder / "evidence.jsonl"
    evidence.write_bytes(lzma.decompress((RECORDINGS / f"{name}{SUFFIX}").read_bytes()))
    return list(read_evidence(evidence))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_recorded_iso_is_judged_right(tmp_path: Path, name: str) -> None:
    result = judge_record(recorded(tmp_path, name), None)
    assert (result.outcome, result.stage, result.cause) == EXPECTED[name]


def test_the_error_of_a_real_installation_is_quoted(tmp_path: Path) -> None:
    result = judge_record(recorded(tmp_path, "debian-installer-13-netboot-stuck"), None)
    cause = next(row for row in result.findings if row.id == result.cause)
    assert cause.statement.endswith("stopped with an error: Unable to install busybox.")


@pytest.mark.parametrize("name", [name for name in EXPECTED if "stuck" not in name])
def test_a_replay_gives_the_answers_that_were_typed(tmp_path: Path, name: str) -> None:
    """What a person would be asked is recognised in what the screens of the run said."""
    rows = recorded(tmp_path, name)
    diagnosis, answerer = Diagnosis(), Answerer()
    typed = []
    for row in rows:
        diagnosis.feed(row)
        answer = answerer.feed(row.event, diagnosis.tracker.state)
        if answer:
            typed.append(answer.prompt.id)
    assert typed == [row.event.prompt for row in rows if isinstance(row.event, PromptAnswer)]


def test_every_recording_is_in_the_table() -> None:
    assert {path.name.removesuffix(SUFFIX) for path in RECORDINGS.iterdir()} == set(EXPECTED)

"""Every recorded run of the gallery is judged as its entry says, without a machine.

Recorded by ``python -m images.gallery --record tests/gallery``.
"""

import lzma
from pathlib import Path

import pytest

from harness.evidence import read_evidence
from harness.result import EVIDENCE_FILE, judge
from images.gallery.entry import entry_names, load_entry
from images.gallery.runner import RECORD_SUFFIX

RECORDED = {
    path.name.removesuffix(RECORD_SUFFIX): path
    for path in sorted(Path(__file__).parent.glob(f"*{RECORD_SUFFIX}"))
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_is_judged_as_its_entry_says(name: str, tmp_path: Path) -> None:
    evidence = tmp_path / EVIDENCE_FILE
    evidence.write_bytes(lzma.decompress(RECORDED[name].read_bytes()))
    result = judge(read_evidence(evidence), None)
    expected = load_entry(name).expected
    assert (result.outcome, result.cause) == (expected.outcome, expected.cause)
    assert result.stage in expected.stages
    if expected.predicted is not None:
        assert result.prediction.will_boot == expected.predicted


def test_no_recording_is_left_of_an_entry_that_is_gone() -> None:
    assert set(RECORDED) <= set(entry_names())

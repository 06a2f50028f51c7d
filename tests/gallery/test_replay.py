"""Every recorded run of the gallery is judged as its entry says, without a machine.

Recorded by ``python -m images.gallery --record tests/gallery``.
"""

import pytest

from images.gallery.entry import entry_names, load_entry
from images.gallery.runner import RECORD_SUFFIX, RECORDINGS, recorded

RECORDED = sorted(
    path.name.removesuffix(RECORD_SUFFIX) for path in RECORDINGS.glob(f"*{RECORD_SUFFIX}")
)


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_run_is_judged_as_its_entry_says(name: str) -> None:
    result = recorded(name)
    expected = load_entry(name).expected
    assert (result.outcome, result.cause) == (expected.outcome, expected.cause)
    assert result.stage in expected.stages
    if expected.predicted is not None:
        assert result.prediction.will_boot == expected.predicted


def test_every_entry_has_a_recording_and_every_recording_an_entry() -> None:
    assert sorted(entry_names()) == RECORDED

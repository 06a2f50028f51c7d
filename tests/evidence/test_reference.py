"""The documentation page of events is the one that the registry generates."""

from pathlib import Path

from harness.evidence.events import EVENTS
from harness.evidence.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "evidence.md"


def test_page_is_current() -> None:
    command = "python -m harness.evidence.reference > docs/evidence.md"
    assert PAGE.read_text() == reference(), f"out of date: {command}"


def test_every_event_is_on_the_page() -> None:
    page = reference()
    for channel, kind in EVENTS:
        assert f"### {channel}/{kind}\n" in page

"""Every event is taken by the diagnosis, or says what else it is for."""

from __future__ import annotations

from harness.diagnose import judge, tracker
from harness.evidence.events import EVENTS


def test_an_event_is_taken_or_says_what_it_is_for() -> None:
    taken = tracker.handlers.handled | judge.handlers.handled
    every = set(EVENTS.values())
    others = {event_type for event_type in every if event_type.use}
    assert every - taken == others, "give the event a handler, or say what it is for (use=)"
    assert taken <= every

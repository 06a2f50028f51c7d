"""What a console says of what it sees: one safe line each."""

from __future__ import annotations

import pytest

from harness.console.event_words import event_words, frame_words, person_words


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        ({"what": "arp-request", "source": "a", "target": "b"}, "a asks who has b"),
        ({"what": "tcp-reset", "source": "a", "target": "b"}, "a refuses b (TCP)"),
        ({"what": "dhcp-discover", "source": "", "target": ""}, "asks for a DHCP server"),
        ({"what": "udp", "source": None, "target": "b"}, "nobody to b (UDP)"),
        ({}, "something else"),
        ({"what": "of-another-version"}, "of-another-version"),
    ],
)
def test_what_a_frame_is(frame: dict[str, str], said: str) -> None:
    assert frame_words(frame) == said


def test_nothing_of_a_guest_or_a_person_is_more_than_a_line() -> None:
    evil = "\x1b]0;owned\x07\n" + "x" * 5000
    lines = [
        frame_words({"what": "arp-request", "source": evil, "target": evil}),
        frame_words({"what": evil}),
        event_words({"name": evil, "detail": {"said": evil}}),
        person_words("typed", {"said": evil}),
    ]
    assert all(line.isprintable() and len(line) <= 300 for line in lines)


def test_an_event_is_told_with_its_detail() -> None:
    assert event_words({"name": "STOP", "detail": {}}) == "STOP"
    assert event_words({"name": "RESET", "detail": {"guest": True}}) == 'RESET {"guest": true}'


def test_what_a_person_did_is_told_with_what_they_said() -> None:
    assert person_words("reset", {}) == "reset"
    assert person_words("type", {"said": "root"}) == "type: root"

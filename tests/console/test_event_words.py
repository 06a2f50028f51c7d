"""Events as sentences of a console: one safe line each."""

from __future__ import annotations

import pytest

from harness.console.event_words import event_words, frame_words, person_words
from harness.evidence.events import Frame, PersonAction, PersonRefusal, QmpEvent


@pytest.mark.parametrize(
    ("kind", "source", "target", "sentence"),
    [
        ("arp-request", "a", "b", "a asks who has b"),
        ("tcp-reset", "a", "b", "a refuses b (TCP)"),
        ("dhcp-discover", "", "", "asks for a DHCP server"),
        ("udp", "", "b", "nobody to b (UDP)"),
        ("other", "", "", "something else"),
        ("of-another-version", "", "", "of-another-version"),
    ],
)
def test_frame_words_say_who_does_what(kind: str, source: str, target: str, sentence: str) -> None:
    assert frame_words(Frame(kind, "52:54:00:00:00:01", source, target)) == sentence


def test_hostile_text_stays_one_short_printable_line() -> None:
    evil = "\x1b]0;owned\x07\n" + "x" * 5000
    lines = [
        frame_words(Frame("arp-request", evil, evil, evil)),
        frame_words(Frame(evil, evil, evil, evil)),
        event_words(QmpEvent(evil, {"said": evil})),
        person_words(PersonAction(evil, evil)),
    ]
    assert all(line.isprintable() and len(line) <= 300 for line in lines)


def test_event_words_have_the_detail() -> None:
    assert event_words(QmpEvent("STOP", {})) == "STOP"
    assert event_words(QmpEvent("RESET", {"guest": True})) == 'RESET {"guest": true}'


def test_person_words_have_the_argument_or_the_refusal() -> None:
    assert person_words(PersonAction("reset", "")) == "reset"
    assert person_words(PersonAction("send-key", "ret")) == "send-key: ret"
    assert person_words(PersonRefusal("It is off.")) == "refused: It is off."

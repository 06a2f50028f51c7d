"""Every event is taken by the diagnosis, or is meant for somebody else, who is named."""

from __future__ import annotations

from harness.diagnose import judge, tracker
from harness.evidence import events

FOR_PEOPLE = {
    events.SameBoot: "a run folder says which boot it repeats",
    events.FirmwarePrompt: "the console shows it; a line follows that counts",
    events.SerialFull: "says why a log ends",
    events.FirmwareFull: "says why a log ends",
    events.Screenshot: "reports and the console show the picture",
    events.ScreenshotMissing: "says why there is no picture",
    events.PromptAnswer: "shown while a boot goes on",
    events.IsoReads: "shown in the console; the clock takes it for a sign of life",
    events.CpuWork: "the clock takes it for a sign of life",
    events.FrameCount: "shown while a boot goes on",
    events.ArchiveGet: "says what an installation asked for",
    events.Pause: "the answers to prompts are given in it (harness/diagnose/prompts.py)",
    events.SecondBootStart: "a matrix shows what is tried besides",
    events.PartStart: "a matrix shows which part of an installation is tried",
    events.PersonTyping: "the console shows it",
    events.PersonRefusal: "the console shows it",
    events.PersonAnswer: "the console shows it",
}
"""Events that no verdict stands on, and what each is for."""


def test_an_event_is_taken_or_is_for_people() -> None:
    taken = tracker.handlers.handled | judge.handlers.handled
    every = set(events.EVENTS.values())
    assert every - taken == FOR_PEOPLE.keys(), "give the event a handler, or say whom it is for"
    assert taken <= every

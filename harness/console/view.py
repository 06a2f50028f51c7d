"""The display of a console as a fold of observations, for a live run and a recorded one alike.

Nothing is read or written here. All guest text that leaves this module is safe to print.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Literal

from harness.console.event_words import diagnosis_sentence, event_words, frame_words, person_words
from harness.console.rule_hits import RuleHit, RuleHits
from harness.diagnose.diagnosis import Diagnosis
from harness.diagnose.judge import Verdict
from harness.diagnose.updates import RuleUpdate, Update
from harness.evidence.events import (
    DiskReads,
    DiskWrites,
    Frame,
    FrameCount,
    IsoReads,
    PersonAction,
    PersonAnswer,
    PersonRefusal,
    PersonTyping,
    PowerOn,
    QemuEnd,
    QmpEvent,
    RunStart,
    Screenshot,
    ScreenText,
)
from harness.evidence.guest_text import printable
from harness.evidence.handlers import EventHandlers
from harness.evidence.log import Observation
from harness.model.finding import Finding
from harness.model.image import Medium
from harness.model.outcome import Outcome
from harness.model.stages import DISK_LADDER, ISO_LADDER, Stage
from harness.report.findings import VIEW, shown_finding

State = Literal["off", "running", "frozen"]

_FRAMES = 12
_LOG_LINES = 300
_BOOTS = 50
_SCREEN_LINES = 100
_LINE_CHARS = 200


@dataclass(frozen=True, slots=True)
class TimedLine:
    """A line with its second since power-on."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class LadderStep:
    """A stage, and the second at which it was reached; None if it was not."""

    stage: Stage
    at_s: float | None


@dataclass(slots=True)
class TrafficTotals:
    """Totals of disk and NIC since power-on, in bytes; ``frames`` counts the guest's."""

    read_bytes: int = 0
    written_bytes: int = 0
    iso_read_bytes: int = 0
    frames: int = 0
    last_frames: deque[TimedLine] = field(default_factory=lambda: deque(maxlen=_FRAMES))


@dataclass(slots=True)
class BootSummary:
    """A boot: its title, and its outcome so far."""

    title: str
    outcome: Outcome | None = None
    cause: str | None = None


handlers = EventHandlers["View"]()


class View:
    """The state of the display. It takes every observation in order; a ``start`` begins a boot."""

    def __init__(self) -> None:
        self.boots: list[BootSummary] = []
        """The boots so far; the last one is current."""
        self.log: deque[TimedLine] = deque(maxlen=_LOG_LINES)
        """The last events of QEMU and actions of the person."""
        self.provider = self.image = self.firmware = ""
        self.medium: Medium = "disk"
        self.diagnosis = Diagnosis()
        """The diagnosis of the current boot; the recorder or the player feeds it."""
        self._begin()

    def _begin(self) -> None:
        self.now_s = 0.0
        self.state: State = "off"
        self.traffic = TrafficTotals()
        self.screen: tuple[str, ...] = ()
        self.screen_at_s: float | None = None
        self.screenshot = ""
        self.keys_typed = 0
        self.rolled_back = False
        self.started_s = 0.0
        """The second of the last reset by a person; stages count from there."""
        self._is_over = False
        self._rule_hits = RuleHits()

    def take(self, observation: Observation, diagnosis: Diagnosis) -> None:
        """Take the next observation, and the diagnosis of its boot, which has it already."""
        event = observation.event
        if isinstance(event, RunStart):
            self._begin()
            self._start(event)
            self.diagnosis = diagnosis
            diagnosis.tracker.watch(self._note)
        self.now_s = observation.t_s
        if diagnosis.verdict and self.boots:
            self.boots[-1].outcome = diagnosis.verdict.outcome
            self.boots[-1].cause = diagnosis.verdict.cause
        handlers.handle(self, event)

    def _note(self, update: Update) -> None:
        if isinstance(update, RuleUpdate):
            at_s = self.diagnosis.tracker.now_s
            self._rule_hits.note(update.channel, update.match, at_s)

    def _start(self, start: RunStart) -> None:
        self.provider = printable(start.provider, 40)
        self.firmware = printable(start.firmware, 10)
        self.image = printable(start.image.location, _LINE_CHARS)
        self.medium = start.medium
        title = printable(start.change or start.part, 120)
        self.boots = [*self.boots[-_BOOTS:], BootSummary(title)]

    # What a person does

    @handlers.on(PersonTyping)
    def _on_typing(self, event: PersonTyping) -> None:
        self.keys_typed += event.size_bytes

    @handlers.on(PersonRefusal)
    def _on_refusal(self, event: PersonRefusal) -> None:
        self._say(person_words(event))

    @handlers.on(PersonAnswer)
    def _on_answer(self, event: PersonAnswer) -> None:
        self._say(person_words(event))

    @handlers.on(PersonAction)
    def _on_action(self, event: PersonAction) -> None:
        self._say(person_words(event))
        if event.action == "reset":
            # The stages are reached again; an earlier verdict stays.
            self.started_s = self.now_s
            self._is_over = False
        elif event.action == "roll-back":
            self.rolled_back = True

    # Events of the machine

    @handlers.on(PowerOn)
    def _on_power_on(self, _: PowerOn) -> None:
        self.state = "running"

    @handlers.on(QmpEvent)
    def _on_event(self, event: QmpEvent) -> None:
        self._say(event_words(event))
        if event.name == "SHUTDOWN":
            self._is_over = True
            self.state = "off"
        elif event.name == "STOP" and not self._is_over:
            self.state = "frozen"
        elif event.name == "RESUME":
            self._is_over = False
            self.state = "running"

    @handlers.on(QemuEnd)
    def _on_qemu_end(self, event: QemuEnd) -> None:
        self._is_over = True
        self.state = "off"
        status = event.status
        self._say("QEMU ended." if status is None else f"QEMU ended with the status {status}.")

    def _say(self, text: str) -> None:
        self.log.append(TimedLine(self.now_s, text))

    @handlers.on(DiskReads)
    def _on_reads(self, event: DiskReads) -> None:
        self.traffic.read_bytes = event.read_bytes

    @handlers.on(DiskWrites)
    def _on_writes(self, event: DiskWrites) -> None:
        self.traffic.written_bytes = event.written_bytes

    @handlers.on(IsoReads)
    def _on_iso_reads(self, event: IsoReads) -> None:
        self.traffic.iso_read_bytes = event.read_bytes

    @handlers.on(FrameCount)
    def _on_frames(self, event: FrameCount) -> None:
        self.traffic.frames = event.count

    @handlers.on(Frame)
    def _on_frame(self, event: Frame) -> None:
        self.traffic.frames = max(self.traffic.frames, event.number)
        self.traffic.last_frames.append(TimedLine(self.now_s, frame_words(event)))

    @handlers.on(ScreenText)
    def _on_screen(self, event: ScreenText) -> None:
        self.screen = tuple(printable(line, _LINE_CHARS) for line in event.lines[:_SCREEN_LINES])
        self.screen_at_s = self.now_s

    @handlers.on(Screenshot)
    def _on_shot(self, event: Screenshot) -> None:
        self.screenshot = printable(event.file, 100)

    # Output

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the current boot; None before it is decided."""
        return self.diagnosis.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, the cause first."""
        cause = self.verdict.cause if self.verdict else None
        rows = self.verdict.findings if self.verdict else self.diagnosis.tracker.findings
        return tuple(sorted(rows, key=lambda row: row.id != cause))

    @property
    def sentence(self) -> str:
        """The current diagnosis in words."""
        return diagnosis_sentence(self.diagnosis, self.provider)

    @property
    def stage(self) -> Stage | None:
        """The furthest stage since the machine was last switched on or reset by a person."""
        timeline = self.diagnosis.tracker.climb
        return timeline.furthest if timeline.reached_s else None

    @property
    def ladder(self) -> tuple[LadderStep, ...]:
        """The stages of the medium with the seconds since the machine was switched on."""
        stages = ISO_LADDER if self.medium == "iso" else DISK_LADDER
        reached_s = self.diagnosis.tracker.climb.reached_s
        return tuple(
            LadderStep(stage, reached_s[stage] - self.started_s if stage in reached_s else None)
            for stage in stages
        )

    @property
    def rules(self) -> tuple[RuleHit, ...]:
        """The rules that matched, in the order of their first match."""
        return tuple(self._rule_hits.rows.values())

    def snapshot(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        verdict, traffic = self.verdict, self.traffic
        return {
            "image": self.image,
            "provider": self.provider,
            "firmware": self.firmware,
            "medium": self.medium,
            "boots": [dataclasses.asdict(row) for row in self.boots],
            "state": self.state,
            "now_s": self.now_s,
            "started_s": self.started_s,
            "stage": self.stage,
            "ladder": [dataclasses.asdict(row) for row in self.ladder],
            "sentence": printable(self.sentence, 1000),
            "outcome": verdict.outcome if verdict else None,
            "cause": verdict.cause if verdict else None,
            "verdict_at_s": verdict.at_s if verdict else None,
            "findings": [_finding(row) for row in self.findings],
            "rules": [dataclasses.asdict(row) for row in self.rules],
            "traffic": {
                "read_bytes": traffic.read_bytes,
                "written_bytes": traffic.written_bytes,
                "disc_read_bytes": traffic.iso_read_bytes,
                "frames": traffic.frames,
                "last_frames": [dataclasses.asdict(row) for row in traffic.last_frames],
            },
            "screen": {"lines": list(self.screen), "at_s": self.screen_at_s},
            "screenshot": self.screenshot,
            "keys_typed": self.keys_typed,
            "rolled_back": self.rolled_back,
            "log": [dataclasses.asdict(row) for row in self.log],
        }


def _finding(row: Finding) -> dict[str, Any]:
    shown = shown_finding(row, VIEW)
    return {
        "id": shown.id,
        "severity": shown.severity,
        "statement": shown.statement,
        "evidence": list(shown.evidence),
        "remedy": shown.remedy,
    }

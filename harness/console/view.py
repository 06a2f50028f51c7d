"""What a console shows, as a fold of observations: the same for a live run and a recorded one.

Nothing is read or written here. All text of the guest that is given out is safe to print.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from harness.console.fired import Fired, FiredRules, NotedRules
from harness.console.words import event_words, frame_words, person_words, standing
from harness.diagnose.diagnosis import Diagnosis, Verdict
from harness.diagnose.rules import Channel, Match, shipped_rules
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation
from harness.model.finding import Finding
from harness.model.image import Medium
from harness.model.outcome import Outcome
from harness.model.stages import DISK_LADDER, ISO_LADDER, Stage
from harness.report.findings import VIEW, show

State = Literal["off", "running", "frozen"]

_FRAMES = 12
_LOG_LINES = 300
_BOOTS = 50
_SCREEN_LINES = 100
_LINE_CHARS = 200

# What a diagnosis must know before the machine is switched on.
_BEFORE = frozenset({("run", "start"), ("run", "rules"), ("check", "finding")})


@dataclass(frozen=True, slots=True)
class Said:
    """A line with the second at which it came."""

    at_s: float
    text: str


@dataclass(frozen=True, slots=True)
class Rung:
    """A stage, and the second at which it was reached; None where it was not."""

    stage: Stage
    at_s: float | None


@dataclass(slots=True)
class Traffic:
    """What went through disk and NIC since power-on. Bytes are totals, ``frames`` the guest's."""

    read_bytes: int = 0
    written_bytes: int = 0
    disc_read_bytes: int = 0
    frames: int = 0
    last_frames: deque[Said] = field(default_factory=lambda: deque(maxlen=_FRAMES))


@dataclass(slots=True)
class Boot:
    """A machine that was switched on: what was special about it, and what came of it."""

    title: str
    outcome: Outcome | None = None
    cause: str | None = None


class View:
    """Takes every observation of a run in order; a new ``start`` in it begins the next machine."""

    def __init__(self) -> None:
        self.boots: list[Boot] = []
        """The machines so far; the last one is at work."""
        self.log: deque[Said] = deque(maxlen=_LOG_LINES)
        """Events of QEMU and what a person did, the last ones."""
        self.provider = self.image = self.firmware = ""
        self.medium: Medium = "disk"
        self._begin()

    def _begin(self) -> None:
        self.now_s = 0.0
        self.state: State = "off"
        self.traffic = Traffic()
        self.screen: tuple[str, ...] = ()
        self.screen_at_s: float | None = None
        self.screenshot = ""
        self.keys_typed = 0
        self.rolled_back = False
        self.started_s = 0.0
        """When a person started the machine over; stages count from there."""
        self._before: list[Observation] = []
        self._is_over = False
        self._fired = FiredRules()
        self.diagnosis = Diagnosis()
        self._climb = self._new_climb()

    def _new_climb(self) -> Diagnosis:
        return Diagnosis(rules=NotedRules(shipped_rules(), self._note))

    def _note(self, channel: Channel, match: Match) -> None:
        self._fired.note(channel, match, self.now_s)

    def take(self, observation: Observation) -> None:
        """Take the next observation."""
        name = (observation.channel, observation.kind)
        if name == ("run", "start"):
            self._begin()
            self._start(observation.data)
        self.now_s = observation.t_s
        if name in _BEFORE:
            self._before.append(observation)
        self._judge(observation)
        if observation.channel == "person":
            self._on_person(observation.kind, observation.data)
        handler = _HANDLERS.get(name)
        if handler:
            handler(self, observation.data)

    def _start(self, data: Mapping[str, Any]) -> None:
        self.provider = printable(str(data["provider"]), 40)
        self.firmware = printable(str(data.get("firmware", "bios")), 10)
        self.image = printable(str(data["image"]["location"]), _LINE_CHARS)
        self.medium = data.get("medium", "disk")
        title = printable(str(data.get("change") or data.get("part") or ""), 120)
        self.boots = [*self.boots[-_BOOTS:], Boot(title)]

    def _judge(self, observation: Observation) -> None:
        verdict = self.diagnosis.feed(observation)
        if verdict and self.boots:
            self.boots[-1].outcome, self.boots[-1].cause = verdict.outcome, verdict.cause
        self._climb_on(observation)

    def _climb_on(self, observation: Observation) -> None:
        """A verdict ends a diagnosis and not the machine: its stages are followed to the last."""
        is_start = (observation.channel, observation.kind) == ("run", "start")
        if is_start and self.medium == "disk":
            observation = replace(observation, data={**observation.data, "until": "ready"})
        if self._climb.feed(observation):
            self._climb.verdict = None

    # What a person does

    def _on_person(self, kind: str, data: Mapping[str, Any]) -> None:
        if kind == "type":
            self.keys_typed += int(data.get("bytes", 0))
            return
        self._say(person_words(kind, data))
        if kind == "reset":
            self._start_over()
        elif kind == "roll-back":
            self.rolled_back = True

    def _start_over(self) -> None:
        """The stages are climbed again; what was decided before stays decided."""
        self.started_s = self.now_s
        self._is_over = False
        self._climb = self._new_climb()
        for observation in self._before:
            self._climb_on(observation)
        self._climb_on(Observation(self.now_s, "machine", "power-on", {}))

    # What the machine does

    def _on_power_on(self, _: Mapping[str, Any]) -> None:
        self.state = "running"

    def _on_event(self, data: Mapping[str, Any]) -> None:
        name = data.get("name")
        self._say(event_words(data))
        if name == "SHUTDOWN":
            self._is_over = True
            self.state = "off"
        elif name == "STOP" and not self._is_over:
            self.state = "frozen"
        elif name == "RESUME":
            self._is_over = False
            self.state = "running"

    def _on_ended(self, data: Mapping[str, Any]) -> None:
        self._is_over = True
        self.state = "off"
        status = data.get("status")
        self._say("QEMU ended." if status is None else f"QEMU ended with the status {status}.")

    def _say(self, text: str) -> None:
        self.log.append(Said(self.now_s, text))

    def _on_reads(self, data: Mapping[str, Any]) -> None:
        self.traffic.read_bytes = int(data["read_bytes"])

    def _on_writes(self, data: Mapping[str, Any]) -> None:
        self.traffic.written_bytes = int(data["written_bytes"])

    def _on_iso_reads(self, data: Mapping[str, Any]) -> None:
        self.traffic.disc_read_bytes = int(data["read_bytes"])

    def _on_frames(self, data: Mapping[str, Any]) -> None:
        self.traffic.frames = int(data["count"])

    def _on_frame(self, data: Mapping[str, Any]) -> None:
        self.traffic.frames = max(self.traffic.frames, int(data.get("number", 0)))
        self.traffic.last_frames.append(Said(self.now_s, frame_words(data)))

    def _on_screen(self, data: Mapping[str, Any]) -> None:
        lines = data["lines"][:_SCREEN_LINES]
        self.screen = tuple(printable(str(line), _LINE_CHARS) for line in lines)
        self.screen_at_s = self.now_s

    def _on_shot(self, data: Mapping[str, Any]) -> None:
        self.screenshot = printable(str(data["file"]), 100)

    # What is given out

    @property
    def verdict(self) -> Verdict | None:
        """The verdict of the machine at work; None where nothing is decided."""
        return self.diagnosis.verdict

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings so far, the one that decided first."""
        cause = self.verdict.cause if self.verdict else None
        rows = self.verdict.findings if self.verdict else self.diagnosis.findings
        return tuple(sorted(rows, key=lambda row: row.id != cause))

    @property
    def sentence(self) -> str:
        """The diagnosis as it stands now."""
        return standing(self.diagnosis, self.provider)

    @property
    def stage(self) -> Stage | None:
        """The furthest stage since the machine was last switched on or reset by a person."""
        timeline = self._climb.timeline
        return timeline.furthest if timeline.reached_s else None

    @property
    def ladder(self) -> tuple[Rung, ...]:
        """The stages of the medium with the seconds since the machine was switched on."""
        stages = ISO_LADDER if self.medium == "disc" else DISK_LADDER
        reached_s = self._climb.timeline.reached_s
        return tuple(
            Rung(stage, reached_s[stage] - self.started_s if stage in reached_s else None)
            for stage in stages
        )

    @property
    def rules(self) -> tuple[Fired, ...]:
        """The rules that fired, in the order in which they first did."""
        return tuple(self._fired.rows.values())

    def snapshot(self) -> dict[str, Any]:
        """All of it as values of JSON."""
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
                "disc_read_bytes": traffic.disc_read_bytes,
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
    shown = show(row, VIEW)
    return {
        "id": shown.id,
        "severity": shown.severity,
        "statement": shown.statement,
        "evidence": list(shown.evidence),
        "remedy": shown.remedy,
    }


_HANDLERS = {
    ("machine", "power-on"): View._on_power_on,
    ("qmp", "event"): View._on_event,
    ("host", "qemu-ended"): View._on_ended,
    ("disk", "reads"): View._on_reads,
    ("disk", "writes"): View._on_writes,
    ("disc", "reads"): View._on_iso_reads,
    ("network", "frames"): View._on_frames,
    ("network", "frame"): View._on_frame,
    ("screen", "text"): View._on_screen,
    ("screen", "shot"): View._on_shot,
}

"""The updates that a tracker sends while it takes an event, in the order in which they happen.

A judge has to see each of them at its moment: a line may prove a failure and the next rule a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.diagnose.held import HeldFinding
from harness.diagnose.rules import Channel, Match
from harness.evidence.events import Event
from harness.model.stages import Stage


@dataclass(frozen=True, slots=True)
class RuleMatch:
    """A rule holds. It is sent before the rule takes effect."""

    channel: Channel
    match: Match


@dataclass(frozen=True, slots=True)
class StageReached:
    """A stage was seen; ``is_furthest`` where the boot had not come as far before."""

    stage: Stage
    is_furthest: bool


@dataclass(frozen=True, slots=True)
class FailureMatch:
    """A text proves a finding: ``held`` with what was held of the same finding before.

    ``is_decisive`` is that of the rule that holds now: nothing can follow it.
    """

    held: HeldFinding
    is_decisive: bool


@dataclass(frozen=True, slots=True)
class MachineRestart:
    """The machine starts over; ``same_failure`` where two boots in a row ended by one rule."""

    same_failure: bool


@dataclass(frozen=True, slots=True)
class EventTaken:
    """The tracker has taken the whole event."""

    event: Event


Update = RuleMatch | StageReached | FailureMatch | MachineRestart | EventTaken
Watcher = Callable[[Update], None]

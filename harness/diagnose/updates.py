"""The updates that a tracker sends while it takes an event, in the order in which they happen.

A judge has to see each of them at its moment: a line may prove a failure and the next rule a stage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.diagnose.pending import PendingFinding
from harness.diagnose.rules import Channel, Match
from harness.evidence.events import Event
from harness.model.stages import Stage


@dataclass(frozen=True, slots=True)
class RuleUpdate:
    """A match of a rule, sent before the rule takes effect."""

    channel: Channel
    match: Match


@dataclass(frozen=True, slots=True)
class StageUpdate:
    """A stage that was seen; ``is_furthest`` if the boot had not reached it or a later one."""

    stage: Stage
    is_furthest: bool


@dataclass(frozen=True, slots=True)
class FailureUpdate:
    """A text that proves a finding, joined with the earlier matches of the same finding.

    ``is_decisive`` is that of the rule that matches now: nothing can follow it.
    """

    pending: PendingFinding
    is_decisive: bool


@dataclass(frozen=True, slots=True)
class RestartUpdate:
    """A restart of the machine; ``same_failure`` if two boots in a row ended by the same rule."""

    same_failure: bool


@dataclass(frozen=True, slots=True)
class EventUpdate:
    """The end of an event: the tracker has taken all of it."""

    event: Event


Update = RuleUpdate | StageUpdate | FailureUpdate | RestartUpdate | EventUpdate
Watcher = Callable[[Update], None]

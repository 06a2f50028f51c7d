"""What a run must show, for it to be a pass: of a disk, and of the disc of an installer."""

from __future__ import annotations

from dataclasses import dataclass

from harness.diagnose.machine_state import DISK_SEEN, IPV6_TAKEN, MachineState
from harness.model.image import Medium
from harness.model.stages import ISO_LADDER, Stage, Timeline, Until, rank


@dataclass(frozen=True, slots=True)
class Goal:
    """How far a boot must come.

    A disk has passed with the stage ``until``, or a later one. A disc has with its installer or
    live system at work, its target bound and its NIC used, which is the stage network here; with
    an earlier or later stage it has when that itself was seen.

    With ``dual_stack`` the network is whole with both addresses. A guest that has called back, and
    has not taken the second one by then, never will.
    """

    until: Until = "network"
    medium: Medium = "disk"
    dual_stack: bool = False

    def knows(self, stage: Stage) -> bool:
        """Whether ``stage`` is on the ladder of the medium; a console log may be of either."""
        return self.medium == "disk" or stage in ISO_LADDER

    def is_met(self, timeline: Timeline, state: MachineState) -> bool:
        """Whether nothing is left to be shown."""
        if self.medium == "disk":
            half = self.dual_stack and IPV6_TAKEN not in state.signs
            until: Stage = "seed" if half and self.until == "network" else self.until
            return bool(timeline.reached_s) and rank(timeline.furthest) >= rank(until)
        if self.until != "network":
            return self.until in timeline.reached_s
        return {"installer", "network"} <= set(timeline.reached_s) and DISK_SEEN in state.signs

    def is_decided_by(self, timeline: Timeline) -> bool:
        """Whether what still goes wrong does not count: a disk that has the network came up."""
        return (
            self.medium == "disk"
            and bool(timeline.reached_s)
            and rank(timeline.furthest) >= rank("network")
        )

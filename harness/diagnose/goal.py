"""The goal of a run: what a disk image, or an installer's ISO, must show for a pass."""

from __future__ import annotations

from dataclasses import dataclass

from harness.diagnose.machine_state import DISK_SEEN, IPV6_TAKEN, MachineState
from harness.model.image import Medium
from harness.model.stages import ISO_LADDER, Stage, Timeline, Until, rank


@dataclass(frozen=True, slots=True)
class Goal:
    """The stage that a boot must reach.

    A disk image passes with the stage ``until`` or a later one. For an ISO, the stage network
    means: its installer or live system runs, it has found the target disk, and it has used the NIC.
    Any other stage of an ISO must itself be seen.

    With ``dual_stack`` the network needs both addresses. A guest that has called back without
    having taken the second one never will.
    """

    until: Until = "network"
    medium: Medium = "disk"
    dual_stack: bool = False

    def knows(self, stage: Stage) -> bool:
        """Tell whether ``stage`` is on the ladder of the medium; a console log may be of either."""
        return self.medium == "disk" or stage in ISO_LADDER

    def is_met(self, timeline: Timeline, state: MachineState) -> bool:
        """Tell whether the goal is reached."""
        if self.medium == "disk":
            half = self.dual_stack and IPV6_TAKEN not in state.signs
            until: Stage = "seed" if half and self.until == "network" else self.until
            return bool(timeline.reached_s) and rank(timeline.furthest) >= rank(until)
        if self.until != "network":
            return self.until in timeline.reached_s
        return {"installer", "network"} <= set(timeline.reached_s) and DISK_SEEN in state.signs

    def is_decided_by(self, timeline: Timeline) -> bool:
        """Tell whether later failures no longer count: a disk image has reached the network."""
        return (
            self.medium == "disk"
            and bool(timeline.reached_s)
            and rank(timeline.furthest) >= rank("network")
        )

"""Findings that have not ended the run: held until silence, a later stage or a restart tells."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.diagnose.machine_state import MachineState
from harness.diagnose.rules import Match
from harness.model.stages import Stage, rank


@dataclass(frozen=True, slots=True)
class HeldFinding:
    """A match, the lines up to it, how far the boot was then, and whether nothing could follow."""

    match: Match
    evidence: tuple[str, ...]
    stage: Stage
    decisive: bool = False

    def disproved_by(self, stage: Stage) -> bool:
        """Whether a boot that comes to ``stage`` after this was not at its end."""
        named = self.match.rule.disproved_by
        if named is not None and rank(stage) >= rank(named):
            return True
        return self.decisive and rank(stage) > rank(self.stage)

    def joined_with(self, later: HeldFinding) -> HeldFinding:
        """The same, with the lines of ``later`` where they follow on its own.

        What was said first says more: a panic's own line, not the one that ends its trace.
        """
        if self.evidence and self.evidence[-1] in later.evidence:
            return replace(self, evidence=later.evidence)
        return self


@dataclass(slots=True)
class HeldFindings:
    """What is held of this boot of the machine, and the strongest of the boot before it."""

    _rows: list[HeldFinding] = field(default_factory=list)
    before: HeldFinding | None = None

    def add(self, row: HeldFinding) -> None:
        """Hold ``row``; of each finding only the first is held, until a decisive one joins it."""
        known = self._of_same_finding(row)
        if known is None:
            self._rows.append(row)
        elif row.decisive:
            joined = replace(known.joined_with(row), decisive=True)
            self._rows = [joined if held is known else held for held in self._rows]

    def first_of(self, row: HeldFinding) -> HeldFinding:
        """``row``, or what was held of its finding before, joined with it."""
        known = self._of_same_finding(row)
        return known.joined_with(row) if known else row

    def _of_same_finding(self, row: HeldFinding) -> HeldFinding | None:
        same = (held for held in self._rows if held.match.rule.finding == row.match.rule.finding)
        return next(same, None)

    def after(self, quiet_s: float, state: MachineState) -> HeldFinding | None:
        """The first that so much silence turns into the cause."""
        rows = (held for held in self._holding(state) if held.match.rule.quiet_s <= quiet_s)
        return next(rows, None)

    def strongest(self, state: MachineState) -> HeldFinding | None:
        """The first that is decisive, else the first."""
        rows = self._holding(state)
        return next((held for held in rows if held.decisive), next(iter(rows), None))

    def _holding(self, state: MachineState) -> list[HeldFinding]:
        """What still holds: a disk, say, may have been seen since."""
        return [held for held in self._rows if held.match.rule.when.holds(state)]

    def reach(self, stage: Stage) -> None:
        """Drop what a boot that comes to ``stage`` disproves."""
        self._rows = [held for held in self._rows if not held.disproved_by(stage)]
        before = self.before
        if before and (before.disproved_by(stage) or rank(stage) > rank(before.stage)):
            self.before = None

    def restart(self, state: MachineState) -> bool:
        """Begin anew for the next boot; whether this one ended as the one before it did."""
        before, now = self.before, self.strongest(state)
        self.before = now or before
        self._rows = []
        return bool(before and now and before.match.rule.id == now.match.rule.id)

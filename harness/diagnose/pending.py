"""Findings that have not ended the run: pending until silence, a later stage or a restart."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from harness.diagnose.machine_state import MachineState
from harness.diagnose.rules import Match
from harness.model.stages import Stage, rank


@dataclass(frozen=True, slots=True)
class PendingFinding:
    """A match, the lines up to it, and the stage of the boot then.

    ``decisive`` is a match after which nothing can follow.
    """

    match: Match
    evidence: tuple[str, ...]
    stage: Stage
    decisive: bool = False

    def disproved_by(self, stage: Stage) -> bool:
        """Tell whether a boot that reaches ``stage`` after this match was not at its end."""
        named = self.match.rule.disproved_by
        if named is not None and rank(stage) >= rank(named):
            return True
        return self.decisive and rank(stage) > rank(self.stage)

    def joined_with(self, later: PendingFinding) -> PendingFinding:
        """Return this finding, with the lines of ``later`` where they continue its own.

        The first match says more: the line of the panic itself, not the one that ends its trace.
        """
        if self.evidence and self.evidence[-1] in later.evidence:
            return replace(self, evidence=later.evidence)
        return self


@dataclass(slots=True)
class PendingFindings:
    """The pending findings of this boot, and the strongest one of the boot before it."""

    _rows: list[PendingFinding] = field(default_factory=list)
    before: PendingFinding | None = None

    def add(self, row: PendingFinding) -> None:
        """Add ``row``; only the first match of each finding is kept, until a decisive one joins."""
        known = self._of_same_finding(row)
        if known is None:
            self._rows.append(row)
        elif row.decisive:
            joined = replace(known.joined_with(row), decisive=True)
            self._rows = [joined if other is known else other for other in self._rows]

    def joined_with_earlier(self, row: PendingFinding) -> PendingFinding:
        """Return ``row``, joined with the earlier match of the same finding if there is one."""
        known = self._of_same_finding(row)
        return known.joined_with(row) if known else row

    def _of_same_finding(self, row: PendingFinding) -> PendingFinding | None:
        finding = row.match.rule.finding
        return next((other for other in self._rows if other.match.rule.finding == finding), None)

    def after(self, quiet_s: float, state: MachineState) -> PendingFinding | None:
        """Return the first finding that ``quiet_s`` seconds of silence make the cause."""
        rows = self._still_true(state)
        return next((row for row in rows if row.match.rule.quiet_s <= quiet_s), None)

    def strongest(self, state: MachineState) -> PendingFinding | None:
        """Return the first decisive finding, else the first one."""
        rows = self._still_true(state)
        return next((row for row in rows if row.decisive), next(iter(rows), None))

    def _still_true(self, state: MachineState) -> list[PendingFinding]:
        """Return the findings whose condition still holds: a disk may have been seen since."""
        return [row for row in self._rows if row.match.rule.when.holds(state)]

    def reach(self, stage: Stage) -> None:
        """Drop the findings that a boot that reaches ``stage`` disproves."""
        self._rows = [row for row in self._rows if not row.disproved_by(stage)]
        before = self.before
        if before and (before.disproved_by(stage) or rank(stage) > rank(before.stage)):
            self.before = None

    def restart(self, state: MachineState) -> bool:
        """Start the next boot; return True if this boot ended by the same rule as the last one."""
        before, now = self.before, self.strongest(state)
        self.before = now or before
        self._rows = []
        return bool(before and now and before.match.rule.id == now.match.rule.id)

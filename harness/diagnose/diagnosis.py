"""A tracker with the judge of its run, for readers of one record from its start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from harness.diagnose.judge import Judge, Verdict
from harness.diagnose.rules import RuleBook
from harness.diagnose.tracker import Tracker
from harness.evidence.codec import Observation
from harness.evidence.events import RunStart
from harness.model.stages import Until


class Diagnosis:
    """The tracker of one boot, and the judge with the goal of its run.

    ``until`` is the goal; None for the one that the run was started for.
    """

    def __init__(self, rules: RuleBook | None = None, until: Until | None = None) -> None:
        self.tracker = Tracker(rules)
        self.judge = Judge(self.tracker, until)

    def feed(self, observation: Observation) -> Verdict | None:
        """Take one observation; return the verdict, if this one or an earlier one decided."""
        self.tracker.feed(observation)
        return self.judge.verdict

    @property
    def verdict(self) -> Verdict | None:
        """The verdict; None before there is one."""
        return self.judge.verdict


def diagnose(observations: Iterable[Observation]) -> Diagnosis:
    """Return the diagnosis after all ``observations``."""
    diagnosis = Diagnosis()
    for observation in observations:
        diagnosis.feed(observation)
    return diagnosis


def diagnose_each(observations: Iterable[Observation]) -> Iterator[tuple[Observation, Diagnosis]]:
    """Yield each observation and the diagnosis after it; each start of a run begins a new one."""
    diagnosis = Diagnosis()
    for observation in observations:
        if isinstance(observation.event, RunStart):
            diagnosis = Diagnosis()
        diagnosis.feed(observation)
        yield observation, diagnosis

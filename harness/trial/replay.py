"""The replay of a record: the same result, without a machine."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from harness.diagnose.diagnosis import Diagnosis
from harness.evidence.events import OwnRules
from harness.evidence.log import Observation, read_evidence
from harness.trial.result import EVIDENCE_FILE, Result, compose


def judge_record(
    observations: Iterable[Observation],
    run_dir: Path | None,
    rules: Iterable[tuple[str, str]] = (),
) -> Result:
    """Return the result of recorded ``observations``.

    ``rules`` are location and text of the user's own tables. Raises RecordError if the record holds
    no start of a run. A record without a verdict (its writer was killed) is an error of the host:
    ``host.interrupted``.
    """
    own = [Observation(0.0, OwnRules(location, text)) for location, text in rules]
    diagnosis = Diagnosis()
    for number, observation in enumerate(observations):
        diagnosis.feed(observation)
        if number == 0:
            for row in own:
                diagnosis.feed(row)
    tracker = diagnosis.tracker
    return compose(tracker.start, tracker, diagnosis.judge.final_verdict(), run_dir)


def replay(run_dir: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """Return the result of the run recorded in ``run_dir``, from its evidence alone."""
    return judge_record(read_evidence(run_dir / EVIDENCE_FILE), run_dir, rules)

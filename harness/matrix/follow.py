"""Where a run in another process stands, read from the evidence that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from harness.diagnose.diagnosis import Diagnosis
from harness.evidence.log import Observation
from harness.trial.result import EVIDENCE_FILE


class Follow:
    """Reads what a run has recorded since it was last asked."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVIDENCE_FILE
        self._file: BinaryIO | None = None
        self._rest = b""
        self._diagnosis = Diagnosis()
        self._beside = ""

    def close(self) -> None:
        """Read no more."""
        if self._file:
            self._file.close()

    @property
    def has_begun(self) -> bool:
        """Whether there is any evidence: a download is none."""
        return self._file is not None

    def phase(self) -> str:
        """The stage of the boot, or in words what is done beside it; "" before it begins."""
        self._read()
        if self._beside:
            return self._beside
        return self._diagnosis.timeline.furthest if self._diagnosis.timeline.reached_s else ""

    def _read(self) -> None:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            try:
                self._take(Observation.from_json(line.decode("ascii", "replace")))
            except (ValueError, TypeError, KeyError, AttributeError):
                continue  # The first line says what the file is.

    def _take(self, observation: Observation) -> None:
        self._diagnosis.feed(observation)
        if (observation.channel, observation.kind) == ("counterfactual", "start"):
            self._beside = f"once more, with {observation.data['change']}"
        elif (observation.channel, observation.kind) == ("part", "start"):
            self._beside = str(observation.data["name"])

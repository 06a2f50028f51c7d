"""The progress of a run in another process, read from the evidence that it writes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from harness.diagnose.diagnosis import Diagnosis
from harness.evidence.codec import Observation, UnreadableEventError, decode
from harness.evidence.events import PartStart, SecondBootStart
from harness.trial.result import EVIDENCE_FILE


class RunFollower:
    """A reader of the evidence of one run, as far as it is written."""

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / EVIDENCE_FILE
        self._file: BinaryIO | None = None
        self._rest = b""
        self._diagnosis = Diagnosis()
        self._beside = ""

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    @property
    def has_begun(self) -> bool:
        """True once there is evidence; a download writes none."""
        return self._file is not None

    def phase(self) -> str:
        """Return the stage of the boot, or a further boot in words; "" before the first event."""
        self._read()
        return self._beside or self._diagnosis.tracker.stage or ""

    def _read(self) -> None:
        if self._file is None:
            try:
                self._file = self._path.open("rb")
            except OSError:
                return
        *lines, self._rest = (self._rest + self._file.read()).split(b"\n")
        for line in lines:
            # The first line is the header of the file.
            with suppress(UnreadableEventError):
                self._take(decode(line.decode("ascii", "replace")))

    def _take(self, observation: Observation) -> None:
        self._diagnosis.feed(observation)
        match observation.event:
            case SecondBootStart(change=change):
                self._beside = f"once more, with {change}"
            case PartStart(name=name):
                self._beside = name

"""What was seen during a run: observations, and the log that keeps them.

Observers record, they never judge. Every observation is written to ``evidence.jsonl`` before
anybody acts on it, so that a verdict can be reached again from the file alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.errors import RecordError, UsageError

SCHEMA = "harness.evidence/1"


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing that was seen.

    ``t_s`` is in seconds since power-on (0 before it). ``channel`` is where it was seen
    (``serial``, ``firmware``, ``network``, ``qmp`` …), ``kind`` what it is on that channel.
    ``data`` holds JSON values only.
    """

    t_s: float
    channel: str
    kind: str
    data: Mapping[str, Any]

    def to_json(self) -> str:
        """One line of ``evidence.jsonl``, without the newline."""
        row = {"t_s": self.t_s, "channel": self.channel, "kind": self.kind}
        return json.dumps({**row, **self.data}, ensure_ascii=True)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """The observation on one line; raises ValueError, TypeError or KeyError without one."""
        row = json.loads(line)
        return cls(float(row.pop("t_s")), str(row.pop("channel")), str(row.pop("kind")), row)


Subscriber = Callable[[Observation], None]


class EvidenceLog:
    """Appends observations to a file and hands each to the subscribers, in that order.

    Everything happens inside :meth:`record`, synchronously: what decides a verdict is judged in
    the same call that recorded it. ``clock`` gives seconds that only grow, from any beginning.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.path = path
        self._file = path.open("x", encoding="ascii", buffering=1)
        self._subscribers: list[Subscriber] = []
        self._zero_s: float | None = None
        self._file.write(json.dumps({"schema": SCHEMA}) + "\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def subscribe(self, subscriber: Subscriber) -> None:
        """Call ``subscriber`` with every observation from now on."""
        self._subscribers.append(subscriber)

    def power_on(self) -> None:
        """Make this moment second zero."""
        self._zero_s = self._clock()

    def now_s(self) -> float:
        """Seconds since power-on; 0 before it."""
        return 0.0 if self._zero_s is None else self._clock() - self._zero_s

    def record(self, channel: str, kind: str, **data: Any) -> Observation:
        """Write one observation down, then tell the subscribers of it."""
        # Rounded here, so that the file says exactly what the subscribers are told.
        observation = Observation(round(self.now_s(), 4), channel, kind, data)
        self.repeat(observation)
        return observation

    def repeat(self, observation: Observation) -> None:
        """Write down what another log has already, at the time that it has there; and tell it."""
        self._file.write(observation.to_json() + "\n")
        for subscriber in self._subscribers:
            subscriber(observation)


def read_evidence(path: Path) -> Iterator[Observation]:
    """The observations of a recorded run, in order.

    Raises UsageError where the file is missing or is not such a log, RecordError where it is
    damaged. A last line that was cut off when the recorder died is passed over.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: no evidence can be read here: {error.strerror}.") from error
    if not lines or json.dumps({"schema": SCHEMA}) != lines[0]:
        raise UsageError(f"{path}: line 1 is not {SCHEMA!r}: name the folder of a recorded run.")
    for number, line in enumerate(lines[1:], start=2):
        try:
            yield Observation.from_json(line)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            if number == len(lines):
                return
            raise RecordError(f"{path}: line {number} is not an observation.") from error

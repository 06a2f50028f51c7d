"""The evidence log of a run: events are appended to ``evidence.jsonl``, then sent to subscribers.

Observers record, they never judge. Every event is written before anything acts on it, so that the
file alone gives the same verdict again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from harness.errors import RecordError, UsageError
from harness.evidence.codec import (
    SCHEMA,
    SCHEMAS,
    CutLineError,
    Observation,
    UnreadableEventError,
    decode,
    encode,
    header,
)
from harness.evidence.events import Event

__all__ = ["EvidenceLog", "Observation", "Subscriber", "read_evidence"]

Subscriber = Callable[[Observation], None]


class EvidenceLog:
    """A log that appends each event to a file and then sends it to the subscribers.

    :meth:`record` does both synchronously: an event is judged in the call that recorded it.
    ``clock`` is a monotonic clock in seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.path = path
        self._file = path.open("x", encoding="ascii", buffering=1)
        self._subscribers: list[Subscriber] = []
        self._zero_s: float | None = None
        self._file.write(header(SCHEMA) + "\n")

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
        """Send every later observation to ``subscriber``."""
        self._subscribers.append(subscriber)

    def power_on(self) -> None:
        """Set the time of power-on, second zero, to now."""
        self._zero_s = self._clock()

    def now_s(self) -> float:
        """Return the seconds since power-on; 0 before it."""
        return 0.0 if self._zero_s is None else self._clock() - self._zero_s

    def record(self, event: Event) -> Observation:
        """Write one event to the file, then send it to the subscribers."""
        # Rounded here, so that the file and the subscribers have the same value.
        observation = Observation(round(self.now_s(), 4), event)
        self.repeat(observation)
        return observation

    def repeat(self, observation: Observation) -> None:
        """Write an observation of another log with its original time, and send it."""
        self._file.write(encode(observation) + "\n")
        for subscriber in self._subscribers:
            subscriber(observation)


def read_evidence(path: Path) -> Iterator[Observation]:
    """Yield the observations of a recorded run, in order.

    Raises UsageError where the file is missing or is not an evidence log, RecordError where it is
    damaged. An incomplete last line, of a recorder that was killed, is ignored.
    """
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError as error:
        raise UsageError(f"{path}: no evidence can be read here: {error.strerror}.") from error
    schema = schema_of(lines[0]) if lines else None
    if schema is None:
        raise UsageError(
            f"{path}: line 1 is not {SCHEMA!r} or older: name the folder of a recorded run."
        )
    for number, line in enumerate(lines[1:], start=2):
        try:
            yield decode(line, schema)
        except UnreadableEventError as error:
            if isinstance(error, CutLineError) and number == len(lines):
                return
            raise RecordError(f"{path}: line {number} is not an observation: {error}.") from error


def schema_of(first_line: str) -> str | None:
    """Return the schema that the first line of a file names; None for an unknown one."""
    return next((schema for schema in SCHEMAS if first_line == header(schema)), None)

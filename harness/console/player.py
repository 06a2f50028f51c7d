"""A recorded run as a read-only station: play, pause, and seek."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from harness.console.tap import Listener, SerialTap
from harness.console.view import View
from harness.diagnose.diagnosis import Diagnosis, diagnose_each
from harness.errors import RecordError, StateError, UsageError
from harness.evidence.events import RunStart, SerialLine, SerialPrompt
from harness.evidence.guest_text import printable
from harness.evidence.log import Observation, read_evidence
from harness.trial.recorder import Listener as EventListener
from harness.trial.result import EVIDENCE_FILE

SERIAL_LOG = "serial.log"
_SERIAL = (SerialLine, SerialPrompt)
_MAX_PICTURE_BYTES = 16 << 20
SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Player:
    """A player of the run in ``run_dir``, which updates ``view`` as a :class:`Station` does.

    It moves only in :meth:`tick`, by ``clock`` (seconds). Raises UsageError if there is no run.
    """

    can_be_touched = False

    def __init__(self, run_dir: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self.folder = run_dir
        self.view = View()
        self.observations = tuple(read_evidence(run_dir / EVIDENCE_FILE))
        if not self.observations:
            raise RecordError(f"{run_dir}: the evidence holds nothing.")
        self.plays = False
        self.speed = 1.0
        self._clock = clock
        self._ticked_s = 0.0
        self._at_s = 0.0
        self._next = 0
        self._tap = SerialTap()
        self._diagnosis = Diagnosis()
        self._watchers: list[EventListener] = []
        self._serial = _SerialBytes(run_dir / SERIAL_LOG, self.observations)
        self._stages_s = _stages(self.observations)
        self._deliver_due()

    @property
    def end_s(self) -> float:
        """The second of the last observation."""
        return max(row.t_s for row in self.observations)

    @property
    def stages_s(self) -> dict[str, float]:
        """The stages that the run reaches, with their seconds, and ``verdict``."""
        return dict(self._stages_s)

    def now_s(self) -> float:
        """Return the position, in seconds since power-on."""
        return self._at_s

    def watch(self, watcher: EventListener) -> Callable[[], None]:
        """Call ``watcher`` for all observations up to now, then for each new one.

        After a move backwards all are repeated, from the start of the run.
        """
        for observation, diagnosis in diagnose_each(self.observations[: self._next]):
            watcher(observation, diagnosis)
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def watch_serial(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with the serial bytes; a move backwards clears the terminal."""
        return self._tap.watch(listener)

    def read_picture(self) -> bytes:
        """Return the last screenshot up to now, a PNG of the run folder; b"" if missing."""
        path = self.folder / (Path(self.view.screenshot).name or "-")
        with suppress(OSError):
            # A record may come from a stranger: never wait for a pipe or read a huge file.
            if path.is_file() and path.stat().st_size <= _MAX_PICTURE_BYTES:
                return path.read_bytes()
        return b""

    def type(self, _: bytes) -> NoReturn:
        """Raise StateError: nothing can be typed."""
        raise StateError("This run is recorded: nobody hears what is typed.")

    async def do(self, name: str, **_: str) -> NoReturn:
        """Raise StateError: a recorded machine cannot be controlled."""
        raise StateError(f"This run is recorded: {printable(name, 40)} is for a live machine.")

    # Playing

    def play(self) -> None:
        """Play from here; from the start if it is at the end."""
        if self._at_s >= self.end_s:
            self.seek(0.0)
        self.plays = True
        self._ticked_s = self._clock()

    def pause(self) -> None:
        """Stop at the current position."""
        self.tick()
        self.plays = False

    def tick(self) -> None:
        """Advance by the time since the last call, and deliver the observations that are due."""
        if not self.plays:
            return
        now_s = self._clock()
        self._at_s = min(self.end_s, self._at_s + (now_s - self._ticked_s) * self.speed)
        self._ticked_s = now_s
        self._deliver_due()
        if self._at_s >= self.end_s:
            self.plays = False

    def faster(self) -> None:
        """Set the next higher speed."""
        self.speed = next((speed for speed in SPEEDS if speed > self.speed), SPEEDS[-1])

    def slower(self) -> None:
        """Set the next lower speed."""
        self.speed = next((speed for speed in reversed(SPEEDS) if speed < self.speed), SPEEDS[0])

    def seek(self, where: str | float) -> None:
        """Move to a stage, to ``verdict``, or to a second.

        Raises UsageError for a stage that the run never reached.
        """
        if isinstance(where, str):
            if where not in self._stages_s:
                known = ", ".join(self._stages_s)
                asked = printable(where, 40)
                raise UsageError(f"{asked!r}: this run never came there: name one of {known}.")
            where = self._stages_s[where]
        at_s = min(max(0.0, where), self.end_s)
        self._ticked_s = self._clock()
        if at_s < self._at_s:
            self.view = View()
            self._next = 0
            self._tap.clear()
        self._at_s = at_s
        self._deliver_due()

    def _deliver_due(self) -> None:
        while self._next < len(self.observations):
            observation = self.observations[self._next]
            if observation.t_s > self._at_s:
                return
            self._next += 1
            if isinstance(observation.event, RunStart):
                self._diagnosis = Diagnosis()
            self._diagnosis.feed(observation)
            self.view.take(observation, self._diagnosis)
            if chunk := self._serial.bytes_of(self._next):
                self._tap.feed(chunk)
            for watcher in list(self._watchers):
                watcher(observation, self._diagnosis)


def _stages(observations: tuple[Observation, ...]) -> dict[str, float]:
    view = View()
    for observation, diagnosis in diagnose_each(observations):
        view.take(observation, diagnosis)
    rungs = (rung for rung in view.ladder if rung.at_s is not None)
    at_s = {str(rung.stage): view.started_s + (rung.at_s or 0.0) for rung in rungs}
    return at_s | ({"verdict": view.verdict.at_s} if view.verdict else {})


class _SerialBytes:
    """The bytes of the serial line up to each observation.

    Without the raw log, the texts of the observations are used; a prompt that was recorded again
    as a line counts once.
    """

    def __init__(self, raw_log: Path, observations: tuple[Observation, ...]) -> None:
        try:
            raw: bytes | None = raw_log.read_bytes()
        except OSError:
            raw = None
        self._ends: list[int] = []
        self._bytes = raw if raw is not None else b""
        if raw is None:
            self._from_texts(observations)
        else:
            self._from_offsets(observations)

    def bytes_of(self, count: int) -> bytes:
        """Return the bytes of the observation number ``count``, from 1."""
        before = self._ends[count - 2] if count > 1 else 0
        return self._bytes[before : self._ends[count - 1]]

    def _from_texts(self, observations: tuple[Observation, ...]) -> None:
        text_bytes = bytearray()
        open_offset, open_bytes = -1, 0
        for row in observations:
            event = row.event
            if isinstance(event, _SERIAL):
                text = event.text.encode("utf-8", "replace")
                is_same = event.offset == open_offset
                new = text[open_bytes:] if is_same else b"\r\n" * (open_bytes > 0) + text
                text_bytes += new
                open_offset, open_bytes = event.offset, len(text)
                if isinstance(event, SerialLine):
                    text_bytes += b"\r\n"
                    open_offset, open_bytes = -1, 0
            self._ends.append(len(text_bytes))
        self._bytes = bytes(text_bytes)

    def _from_offsets(self, observations: tuple[Observation, ...]) -> None:
        """Set the end of each piece: the start of the next; for the last, the end of the log."""
        ends = [0] * len(observations)
        later = following = len(self._bytes)
        for at in reversed(range(len(observations))):
            event = observations[at].event
            if not isinstance(event, _SERIAL):
                continue
            offset = event.offset
            if offset < following:
                later, following = following, offset
            length = len(event.text.encode("utf-8", "replace"))
            ends[at] = later if isinstance(event, SerialLine) else min(later, offset + length)
        self._ends = list(itertools.accumulate(ends, max))

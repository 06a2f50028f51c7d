"""The clock: when nothing moves, or the time is over, it says so. The last resort."""

from __future__ import annotations

import asyncio
import re
from collections import deque

from harness.evidence import EvidenceLog, Observation

# What a guest that gets on leaves behind. Not how many frames it has sent or what it has written:
# a system that waits for its network asks for ever, and keeps a journal of that.
_SIGNS_OF_LIFE = frozenset(
    {
        *(("serial", "line"), ("serial", "prompt"), ("firmware", "line"), ("qmp", "event")),
        *(("disk", "reads"), ("network", "frame"), ("network", "banner"), ("receiver", "call")),
        *(("machine", "power-on"), ("screen", "text")),
    }
)

# After so many seconds without a sign of life there is an observation; what it proves, the rules
# know. The last: the longest that healthy systems were seen to be mute is the 120 s of
# systemd-networkd-wait-online (its manual, --timeout=); the kernel waits 30 s for a root, dracut
# 180 s with a line each few.
QUIET_STEPS_S = (5.0, 8.0, 15.0, 30.0, 45.0, 60.0, 100.0, 150.0)
TOTAL_S = 1200.0
# Lines that differ in these only say the same again: numbers, and what turns or runs to and fro.
_COUNTERS = re.compile(r"[\d\s*.|/\\-]+")
_REMEMBERED = 64
# SeaBIOS hands over after this long on the host where the two above were chosen.
_REFERENCE_HANDOVER_S = 0.3


class Clock:
    """Watches for silence.

    ``slowness`` stretches all limits: how many times slower this host is than the one where they
    were chosen, by a measure taken before the run, until the firmware's own time in it tells.
    ``quiet_s`` and ``total_s`` are exact where they were given, and then there is only that one
    step.
    """

    def __init__(
        self,
        log: EvidenceLog,
        slowness: float,
        quiet_s: float | None = None,
        total_s: float | None = None,
    ) -> None:
        self._log = log
        self._slowness = slowness
        self._quiet_s = quiet_s
        self._total_s = total_s
        self._last_sign_s = 0.0
        self._step = 0
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        log.subscribe(self._note)

    def _note(self, observation: Observation) -> None:
        if not self._is_new(observation):
            return
        self._last_sign_s = observation.t_s
        self._step = 0
        if observation.channel == "firmware" and "Booting from 0000:7c00" in str(
            observation.data.get("text")
        ):
            # Measured now and in this machine: it goes before what was measured some time ago.
            self._slowness = max(1.0, observation.t_s / _REFERENCE_HANDOVER_S)

    def _is_new(self, observation: Observation) -> bool:
        """Whether it shows that the guest gets on, and does not only go round in a circle."""
        if (observation.channel, observation.kind) == ("cpu", "mode"):
            # A loader that waits for a key goes to and fro between two modes for ever.
            return self._is_first(str(observation.data["mode"]))
        if (observation.channel, observation.kind) not in _SIGNS_OF_LIFE:
            return False
        if (observation.channel, observation.data.get("name")) == ("qmp", "RESET"):
            # What another boot says is new again.
            self._seen.clear()
        if observation.channel != "serial":
            return True
        # "Job … running (11s / no limit)", twice a second, for ever.
        return self._is_first(_COUNTERS.sub("", str(observation.data["text"])))

    def _is_first(self, text: str) -> bool:
        """Whether ``text`` is none of those that came lately."""
        if text in self._seen:
            return False
        self._seen.append(text)
        return True

    @property
    def _steps_s(self) -> tuple[float, ...]:
        """The steps in seconds of this host."""
        if self._quiet_s is not None:
            return (self._quiet_s,)
        return tuple(step * self._slowness for step in QUIET_STEPS_S)

    @property
    def _total_end_s(self) -> float:
        return TOTAL_S * self._slowness if self._total_s is None else self._total_s

    async def run(self) -> None:
        """Record each step of a silence, and the end of the time; returns after the last one."""
        while True:
            now_s = self._log.now_s()
            step_end_s = self._last_sign_s + self._steps_s[self._step]
            if now_s >= self._total_end_s:
                self._log.record("clock", "time-over", slowness=round(self._slowness, 2))
                return
            if now_s < step_end_s:
                # A sign of life moves the end: it is asked for again when it would have come.
                await asyncio.sleep(min(step_end_s, self._total_end_s) - now_s)
                continue
            last = self._step == len(self._steps_s) - 1
            quiet_s = now_s - self._last_sign_s
            self._log.record(
                "clock",
                "quiet",
                quiet_s=round(quiet_s, 1),
                reference_s=round(quiet_s if self._quiet_s else quiet_s / self._slowness, 2),
                last=last,
                slowness=round(self._slowness, 2),
            )
            if last:
                return
            self._step += 1

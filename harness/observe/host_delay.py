"""The seconds in which this host kept the guest from running, or harness from looking at it.

A silence counts only while the guest ran. A QEMU that waits for a processor, is stopped or frozen,
and a harness that was stopped itself, make a verdict late; they prove nothing about the image.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from harness.host.process import steal_s
from harness.machine.machine import Machine

PERIOD_S = 0.5
# Later than that by so much, and the event loop itself was kept from running.
_LATE_S = 0.5


@dataclass(frozen=True, slots=True)
class _Reading:
    """Seconds that only grow: the clock, and the waits of QEMU's threads and of this host."""

    now_s: float
    waits_s: Mapping[str, float]
    steal_s: float

    def waited_since_s(self, last: _Reading) -> float:
        """Return the longest time that a thread has waited for a processor since ``last``."""
        waits_s = (wait_s - last.waits_s.get(tid, 0.0) for tid, wait_s in self.waits_s.items())
        return max(waits_s, default=0.0) + self.steal_s - last.steal_s


class HostDelay:
    """Measures the delay again and again, and hands each piece of it to ``on_delay`` in seconds.

    ``clock`` gives seconds that only grow.
    """

    def __init__(
        self,
        machine: Machine,
        clock: Callable[[], float],
        on_delay: Callable[[float], None],
    ) -> None:
        self._machine = machine
        self._clock = clock
        self._on_delay = on_delay
        self._last = self._read()
        self._was_stopped = False

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            await asyncio.sleep(PERIOD_S)
            self.measure()

    def measure(self) -> None:
        """Hand on the delay since the last measurement, if there was any."""
        last, self._last = self._last, self._read()
        passed_s = self._last.now_s - last.now_s
        was_stopped, self._was_stopped = self._was_stopped, self._machine.is_stopped()
        waited_s = self._last.waited_since_s(last)
        own_gap_s = passed_s - PERIOD_S if passed_s > PERIOD_S + _LATE_S else 0.0
        delay_s = passed_s if was_stopped or self._was_stopped else max(waited_s, own_gap_s)
        if delay_s > 0:
            self._on_delay(min(delay_s, passed_s))

    def _read(self) -> _Reading:
        return _Reading(self._clock(), self._machine.run_queue_waits_s(), steal_s())

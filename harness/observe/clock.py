"""The clock: when nothing has moved for long, or the time is over, it says so. The last resort."""

from __future__ import annotations

import asyncio

from harness.evidence import EvidenceLog, Observation

# What a guest that gets on leaves behind. Not how many frames it has sent or what it has written:
# a system that waits for its network asks for ever, and keeps a journal of that.
_SIGNS_OF_LIFE = frozenset(
    {
        *(("serial", "line"), ("serial", "prompt"), ("firmware", "line"), ("qmp", "event")),
        *(("disk", "reads"), ("network", "frame"), ("network", "banner"), ("receiver", "call")),
        *(("cpu", "mode"), ("machine", "power-on")),
    }
)

# The longest that healthy systems were seen to be mute is systemd-networkd-wait-online's 120 s
# (its manual, --timeout=); the kernel waits 30 s for a root, dracut 180 s with a line each few.
QUIET_S = 150.0
TOTAL_S = 1200.0
# SeaBIOS hands over after this long on the host where the two above were chosen.
_REFERENCE_HANDOVER_S = 0.3


class Clock:
    """Watches for silence.

    ``slowness`` stretches both limits: how many times slower this host is than the one where they
    were chosen, by a measure taken before the run and by the firmware's own time in it.
    ``quiet_s`` and ``total_s`` are exact where they were given.
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
        log.subscribe(self._note)

    def _note(self, observation: Observation) -> None:
        if (observation.channel, observation.kind) not in _SIGNS_OF_LIFE:
            return
        self._last_sign_s = observation.t_s
        if observation.channel == "firmware" and "Booting from 0000:7c00" in str(
            observation.data.get("text")
        ):
            measured = observation.t_s / _REFERENCE_HANDOVER_S
            self._slowness = max(self._slowness, measured)

    @property
    def _quiet_end_s(self) -> float:
        quiet_s = QUIET_S * self._slowness if self._quiet_s is None else self._quiet_s
        return self._last_sign_s + quiet_s

    @property
    def _total_end_s(self) -> float:
        return TOTAL_S * self._slowness if self._total_s is None else self._total_s

    async def run(self) -> None:
        """Sleep until a limit is reached, and record that; returns after the first time."""
        # The end moves while this sleeps: it is asked for again when it would have come.
        while (wait_s := min(self._quiet_end_s, self._total_end_s) - self._log.now_s()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(wait_s)
        now_s = self._log.now_s()
        self._log.record(
            "clock",
            "silence",
            quiet_s=round(now_s - self._last_sign_s, 1),
            still_at_work=now_s < self._quiet_end_s,
            slowness=round(self._slowness, 2),
        )

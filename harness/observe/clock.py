"""The clock: when nothing moves, or the time is over, it says so. The last resort."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Literal

from harness.evidence.events import (
    Banner,
    Call,
    CpuModeChange,
    CpuWork,
    DiskReads,
    DiskWrites,
    Event,
    FirmwareLine,
    Frame,
    IsoReads,
    Pause,
    PowerOn,
    PromptAnswer,
    QmpEvent,
    Quiet,
    ScreenText,
    SerialLine,
    SerialPrompt,
    TimeOver,
)
from harness.evidence.log import EvidenceLog, Observation

# What a guest that gets on leaves behind. Not how many frames it has sent or what it has written:
# a system that waits for its network asks for ever, and keeps a journal of that.
_SIGNS_OF_LIFE: frozenset[type[Event]] = frozenset(
    {
        SerialLine,
        SerialPrompt,
        FirmwareLine,
        QmpEvent,
        DiskReads,
        IsoReads,
        Frame,
        Banner,
        Call,
        PowerOn,
        ScreenText,
        PromptAnswer,
    }
)
# An installer may write for minutes and say nothing.
_SIGNS_OF_AN_INSTALLATION = _SIGNS_OF_LIFE | {DiskWrites}
# Work of the processor is a sign for so long; then it is a circle, too.
_WORK_COUNTS_S = 300.0

# After so many seconds without a sign of life there is an observation; what it proves, the rules
# know. The last: the longest that healthy systems were seen to be mute is the 120 s of
# systemd-networkd-wait-online (its manual, --timeout=); the kernel waits 30 s for a root, dracut
# 180 s with a line each few.
QUIET_STEPS_S = (5.0, 8.0, 15.0, 30.0, 45.0, 60.0, 100.0, 150.0)
TOTAL_S = 1200.0
INSTALLATION_TOTAL_S = 7200.0
# Texts that differ in these only say the same again: numbers, bars, what turns or runs to and fro.
_COUNTERS = re.compile(r"0x[0-9a-fA-F]+|[\d\s*.|/\\#=-]+")
# Not so a menu that counts down, which ends by itself (GRUB, menu_text.c; Syslinux, menumain.c).
_COUNTDOWN = re.compile(
    r"(?i)automatically in \d+|automatic boot in \d+|(?:boot\w*|start\w*) in \d+"
)
_REMEMBERED = 64
# SeaBIOS hands over after this long on the host where the two above were chosen.
_REFERENCE_HANDOVER_S = 0.3
# It is so short that a moment in which the host had other things to do makes it many times longer.
_STALLED = 4.0


Iso = Literal["tool", "installer", "installing"]
"""What a disc is: none with an installer that is known, one with, one that installs unattended."""


class Clock:
    """Watches for silence.

    ``slowness`` stretches all limits: how many times slower this host is than the one where they
    were chosen, by a measure taken before the run, until the firmware's own time in it tells.
    ``disc`` says what a disc is tried for, None that a disk is tried: an installer is given time to
    work, and an installation, of which what it writes is a sign of life, too, more of it.
    ``quiet_s`` and ``total_s`` are exact where they were given, and then there is only that one
    step.
    """

    def __init__(
        self,
        log: EvidenceLog,
        slowness: float,
        quiet_s: float | None = None,
        total_s: float | None = None,
        *,
        iso: Iso | None = None,
    ) -> None:
        self._log = log
        self._iso = iso
        self._said_s = 0.0
        installs = iso == "installing"
        self._signs = _SIGNS_OF_AN_INSTALLATION if installs else _SIGNS_OF_LIFE
        self._most_s = INSTALLATION_TOTAL_S if installs else TOTAL_S
        self._slowness = slowness
        self._most_slowness = max(slowness, _STALLED)
        self._quiet_s = quiet_s
        self._total_s = total_s
        self._start_s = 0.0
        self._last_sign_s = 0.0
        self._is_off = False
        self._frozen_s: float | None = None
        self._moved = asyncio.Event()
        self._step = 0
        self._seen: deque[str] = deque(maxlen=_REMEMBERED)
        log.subscribe(self._note)

    def _note(self, observation: Observation) -> None:
        event = observation.event
        if isinstance(event, QmpEvent):
            self._stop_or_go_on(event.name, observation.t_s)
        if self._is_work(observation):
            self._last_sign_s = observation.t_s
            self._step = 0
        if not self._is_new(event):
            return
        self._last_sign_s = self._said_s = observation.t_s
        self._step = 0
        if isinstance(event, FirmwareLine) and "Booting from 0000:7c00" in event.text:
            # Measured now and in this machine: it goes before what was measured some time ago.
            measured = observation.t_s / _REFERENCE_HANDOVER_S
            self._slowness = max(1.0, min(measured, self._most_slowness))

    def _stop_or_go_on(self, event: str, t_s: float) -> None:
        """A machine that a person froze is not silent: its time stands still.

        One that its guest switched off stops, too, and there nothing more will come.
        """
        if event in ("SHUTDOWN", "RESET"):
            self._is_off = event == "SHUTDOWN"
        elif event == "STOP" and not self._is_off:
            self._frozen_s = t_s
        elif event == "RESUME" and self._frozen_s is not None:
            self._start_s += t_s - self._frozen_s
            self._last_sign_s = self._said_s = t_s
            self._frozen_s = None
            self._moved.set()

    def _is_work(self, observation: Observation) -> bool:
        """Whether the kernel of an installer has something to do, and not for ever.

        An installer unpacks, generates, looks for hardware, and says nothing of it.
        """
        return (
            self._iso in ("installer", "installing")
            and isinstance(observation.event, CpuWork)
            and observation.t_s - self._said_s < _WORK_COUNTS_S * self._slowness
        )

    def _is_new(self, event: Event) -> bool:
        """Whether it shows that the guest gets on, and does not only go round in a circle."""
        if isinstance(event, CpuModeChange):
            # A loader that waits for a key goes to and fro between two modes for ever.
            return self._is_first(event.mode)
        if type(event) not in self._signs:
            return False
        if isinstance(event, QmpEvent) and event.name == "RESET":
            # What another boot says is new again.
            self._seen.clear()
        if isinstance(event, SerialLine | SerialPrompt):
            text = event.text
        elif isinstance(event, ScreenText):
            text = "\n".join(event.lines)
        else:
            return True
        if _COUNTDOWN.search(text):
            return True
        # "Job … running (11s / no limit)", twice a second, for ever.
        return self._is_first(_COUNTERS.sub("", text))

    def _is_first(self, text: str) -> bool:
        """Whether ``text`` is none of those that came lately."""
        if text in self._seen:
            return False
        self._seen.append(text)
        return True

    @property
    def _steps_s(self) -> tuple[float, ...]:
        """The steps in seconds of this host."""
        steps_s = tuple(step * self._slowness for step in QUIET_STEPS_S)
        if self._quiet_s is None:
            return steps_s
        if self._iso is None:
            return (self._quiet_s,)
        # The questions of a disc are answered all the same, before the only step.
        return (min(steps_s[0], self._quiet_s / 2), self._quiet_s)

    @property
    def _total_end_s(self) -> float:
        total_s = self._most_s * self._slowness if self._total_s is None else self._total_s
        return self._start_s + total_s

    async def run(self, sample: Callable[[], Awaitable[None]]) -> None:
        """Record each step of a silence, and the end of the time; returns after the last one.

        What they are judged by is as old as the last sample: ``sample`` takes one of that moment
        first, and where that shows a sign of life there was no silence.
        """
        while True:
            while self._frozen_s is not None:
                self._moved.clear()
                await self._moved.wait()
            now_s = self._log.now_s()
            step_end_s = self._last_sign_s + self._steps_s[self._step]
            if now_s >= self._total_end_s:
                await sample()
                self._log.record(TimeOver(round(self._slowness, 2)))
                return
            if now_s < step_end_s:
                # A sign of life moves the end: it is asked for again when it would have come.
                await asyncio.sleep(min(step_end_s, self._total_end_s) - now_s)
                continue
            last_sign_s = self._last_sign_s
            await sample()
            if self._last_sign_s != last_sign_s or self._frozen_s is not None:
                continue
            last = self._step == len(self._steps_s) - 1
            quiet_s = now_s - self._last_sign_s
            # What is no step of silence proves nothing, and is only time to answer.
            event_type = Quiet if self._quiet_s is None or last else Pause
            self._log.record(
                event_type(
                    quiet_s=round(quiet_s, 1),
                    reference_s=round(quiet_s if self._quiet_s else quiet_s / self._slowness, 2),
                    last=last,
                    slowness=round(self._slowness, 2),
                )
            )
            if last:
                return
            self._step += 1

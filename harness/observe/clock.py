"""The clock: it records silence and the end of the time limit. The last resort."""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
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

# The events of a guest that makes progress. The number of frames and the bytes written are not
# among them: a system that waits for its network sends and logs for ever.
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
# An installer may write for minutes without output.
_SIGNS_OF_AN_INSTALLATION = _SIGNS_OF_LIFE | {DiskWrites}
# Work of the processor is a sign of life for so long; then it may be an endless loop.
_WORK_COUNTS_S = 300.0

# After so many seconds without a sign of life the clock records an event; the rules say what it
# proves. The last step: the longest silence seen in healthy systems is the 120 s of
# systemd-networkd-wait-online (its manual, --timeout=); the kernel waits 30 s for a root, dracut
# 180 s with a line every few seconds.
QUIET_STEPS_S = (5.0, 8.0, 15.0, 30.0, 45.0, 60.0, 100.0, 150.0)
TOTAL_S = 1200.0
INSTALLATION_TOTAL_S = 7200.0
# Texts that differ only in these repeat the last one: numbers, progress bars, spinners.
_COUNTERS = re.compile(r"0x[0-9a-fA-F]+|[\d\s*.|/\\#=-]+")
# A menu that counts down is no repetition: it ends by itself (GRUB, menu_text.c; Syslinux,
# menumain.c).
_COUNTDOWN = re.compile(
    r"(?i)automatically in \d+|automatic boot in \d+|(?:boot\w*|start\w*) in \d+"
)
_REMEMBERED = 64
# SeaBIOS starts the disk after this long on the host where the two above were chosen.
_REFERENCE_HANDOVER_S = 0.3
# The time is so short that a busy moment of the host multiplies it: slowness is limited to this.
# A QEMU that is stopped gives no sample; the end of the time limit waits for so long.
_LAST_SAMPLE_S = 5.0
_STALLED = 4.0


IsoUse = Literal["tool", "installer", "installing"]
"""The use of an ISO: without a known installer, with one, and for an unattended installation."""


class Clock:
    """The watch for silence and for the end of the time limit.

    ``slowness`` stretches all limits: how many times slower this host is than the one where they
    were chosen, measured before the run until the firmware's own time in the run replaces it.
    ``iso`` is the use of the ISO, None for a disk: an installer gets time to work; an unattended
    installation gets more, and its writes are signs of life. ``quiet_s`` and ``total_s`` are exact
    where they were given, and then there is only that one step.
    """

    def __init__(
        self,
        log: EvidenceLog,
        slowness: float,
        quiet_s: float | None = None,
        total_s: float | None = None,
        *,
        iso: IsoUse | None = None,
    ) -> None:
        self._log = log
        self._iso = iso
        self._last_output_s = 0.0
        installs = iso == "installing"
        self._signs = _SIGNS_OF_AN_INSTALLATION if installs else _SIGNS_OF_LIFE
        self._longest_s = INSTALLATION_TOTAL_S if installs else TOTAL_S
        self._slowness = slowness
        self._max_slowness = max(slowness, _STALLED)
        self._quiet_s = quiet_s
        self._total_s = total_s
        self._start_s = 0.0
        self._delay_s = 0.0
        self._last_sign_s = 0.0
        self._sign_count = 0
        self._is_powered_off = False
        self._frozen_s: float | None = None
        self._resumed = asyncio.Event()
        self._step = 0
        self._recent_texts: deque[str] = deque(maxlen=_REMEMBERED)
        log.subscribe(self._note)

    def delay(self, delay_s: float) -> None:
        """Take seconds in which the host kept the guest from running: they are no silence.

        A time limit that the user gave is one of wall time, and is not moved. Another one is moved
        by its own length at most: a host that never lets the guest run ends the run, too.
        """
        now_s = self._log.now_s()
        self._last_sign_s = min(now_s, self._last_sign_s + delay_s)
        self._last_output_s = min(now_s, self._last_output_s + delay_s)
        self._delay_s += delay_s

    def _note(self, observation: Observation) -> None:
        event = observation.event
        if isinstance(event, QmpEvent):
            self._stop_or_go_on(event.name, observation.t_s)
        if self._is_work(observation):
            self._take_sign(observation.t_s)
        if not self._is_new(event):
            return
        self._take_sign(observation.t_s)
        self._last_output_s = observation.t_s
        if isinstance(event, FirmwareLine) and "Booting from 0000:7c00" in event.text:
            # Measured in this very run, so it replaces the older measurement.
            measured = observation.t_s / _REFERENCE_HANDOVER_S
            self._slowness = max(1.0, min(measured, self._max_slowness))

    def _take_sign(self, t_s: float) -> None:
        self._last_sign_s = t_s
        self._sign_count += 1
        self._step = 0

    def _stop_or_go_on(self, event: str, t_s: float) -> None:
        """Stop the time while a person has the machine paused.

        A machine that its guest switched off stops, too; its time runs on, as no output follows.
        """
        if event in ("SHUTDOWN", "RESET"):
            self._is_powered_off = event == "SHUTDOWN"
        elif event == "STOP" and not self._is_powered_off:
            self._frozen_s = t_s
        elif event == "RESUME" and self._frozen_s is not None:
            self._start_s += t_s - self._frozen_s
            self._last_sign_s = self._last_output_s = t_s
            self._frozen_s = None
            self._resumed.set()

    def _is_work(self, observation: Observation) -> bool:
        """Tell whether this is the work of an installer's kernel, within its time limit.

        An installer unpacks, generates and looks for hardware without output.
        """
        return (
            self._iso in ("installer", "installing")
            and isinstance(observation.event, CpuWork)
            and observation.t_s - self._last_output_s < _WORK_COUNTS_S * self._slowness
        )

    def _is_new(self, event: Event) -> bool:
        """Tell whether the event shows progress of the guest, and not an endless loop."""
        if isinstance(event, CpuModeChange):
            # A loader that waits for a key switches between two modes for ever.
            return self._is_first(event.mode)
        if type(event) not in self._signs:
            return False
        if isinstance(event, QmpEvent) and event.name == "RESET":
            # The output of another boot is new again.
            self._recent_texts.clear()
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
        """Tell whether ``text`` differs from all recent texts, and remember it."""
        if text in self._recent_texts:
            return False
        self._recent_texts.append(text)
        return True

    @property
    def _steps_s(self) -> tuple[float, ...]:
        """The steps of a silence, in seconds on this host."""
        steps_s = tuple(step * self._slowness for step in QUIET_STEPS_S)
        if self._quiet_s is None:
            return steps_s
        if self._iso is None:
            return (self._quiet_s,)
        # The questions of an installer are answered even then, before the only step.
        return (min(steps_s[0], self._quiet_s / 2), self._quiet_s)

    @property
    def _total_end_s(self) -> float:
        if self._total_s is not None:
            return self._start_s + self._total_s
        total_s = self._longest_s * self._slowness
        return self._start_s + total_s + min(self._delay_s, total_s)

    async def run(self, sample: Callable[[], Awaitable[None]]) -> None:
        """Record each step of a silence, and the end of the time limit; return after the last.

        The last sample may be old, so ``sample`` first takes one of this moment: where that shows
        a sign of life there was no silence.
        """
        while True:
            while self._frozen_s is not None:
                self._resumed.clear()
                await self._resumed.wait()
            now_s = self._log.now_s()
            step_end_s = self._last_sign_s + self._steps_s[self._step]
            if now_s >= self._total_end_s:
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_SAMPLE_S):
                        await sample()
                self._log.record(TimeOver(round(self._slowness, 2)))
                return
            if now_s < step_end_s:
                # A sign of life may move the end meanwhile: it is computed again after the sleep.
                await asyncio.sleep(min(step_end_s, self._total_end_s) - now_s)
                continue
            step_s, sign_count = self._steps_s[self._step], self._sign_count
            try:
                async with asyncio.timeout(self._total_end_s - now_s):
                    await sample()
            except TimeoutError:
                # QEMU is stopped, and gives no answer: the time limit holds all the same.
                continue
            # What the host took while that sample was taken may leave the step incomplete.
            quiet_s = self._log.now_s() - self._last_sign_s
            is_alive = self._sign_count != sign_count or self._frozen_s is not None
            if is_alive or quiet_s < step_s:
                continue
            last = self._step == len(self._steps_s) - 1
            # A pause that is no step of a silence proves nothing; it is a chance to answer prompts.
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

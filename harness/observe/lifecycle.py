"""The life of the machine itself: QMP events, and the end of the QEMU process."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

from qemu.qmp import EventListener

from harness.errors import HostError
from harness.evidence.events import QemuEnd, QmpEvent
from harness.evidence.log import EvidenceLog
from harness.machine.machine import Machine
from harness.observe.sampler import Sampler

# Events that no verdict uses; some come many times a second.
_IGNORED = frozenset({"RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "VSERPORT_CHANGE"})


# The guest causes these itself; the verdict needs its traffic up to that moment.
_ENDS_OF_A_BOOT = frozenset({"SHUTDOWN", "RESET"})
# After a reset the guest runs on: the next output of its firmware must not be recorded first.
_RESET_SAMPLE_S = 0.1


class Lifecycle:
    """The recorder of a machine's events and of the end of its QEMU, in that order."""

    def __init__(self, log: EvidenceLog, machine: Machine, sampler: Sampler) -> None:
        self._log, self._machine, self._sampler = log, machine, sampler
        self._recording = asyncio.Lock()

    async def follow_events(self, listener: EventListener) -> None:
        """Record every QMP event until cancelled; before the end of a boot, its traffic."""
        async for event in listener:
            name = str(event["event"])
            detail: Any = event.get("data", {})
            if name in _IGNORED:
                continue
            async with self._recording:
                if name in _ENDS_OF_A_BOOT and detail.get("guest"):
                    await self._sample(None if name == "SHUTDOWN" else _RESET_SAMPLE_S)
                self._log.record(QmpEvent(name, detail))

    async def _sample(self, timeout_s: float | None) -> None:
        """Take the last sample of a boot, where QEMU still answers."""
        with suppress(HostError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._sampler.take_traffic()

    async def follow_process(self) -> None:
        """Record an unexpected end of QEMU, with its last words."""
        kills_before = oom_kills()
        end = await self._machine.ended()
        # libvirt ends QEMU as soon as the guest switches off: the event of that is recorded first.
        async with self._recording:
            self._log.record(QemuEnd(end.status, end.words, oom_kills() - kills_before))


def oom_kills() -> int:
    """Return the number of processes that this host's OOM killer has killed (``/proc/vmstat``)."""
    for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0

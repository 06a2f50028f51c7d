"""What the machine itself does: QMP events, and the end of the QEMU process."""

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

# Of no use to a verdict, and some come many times a second.
_IGNORED = frozenset({"RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "VSERPORT_CHANGE"})


# What a guest does itself, and what it had done until then is judged by.
_ENDS_OF_A_BOOT = frozenset({"SHUTDOWN", "RESET"})
# After a reset the guest runs on: what its firmware says next must not be recorded first.
_RESET_SAMPLE_S = 0.1


class Lifecycle:
    """Follows the events of a machine and the end of its QEMU, and records them in that order."""

    def __init__(self, log: EvidenceLog, machine: Machine, sampler: Sampler) -> None:
        self._log, self._machine, self._sampler = log, machine, sampler
        self._recording = asyncio.Lock()

    async def follow_events(self, listener: EventListener) -> None:
        """Record every QMP event until cancelled; before the end of a boot, what came of it."""
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
        """Take the last sample of a boot, as far as it can be had."""
        with suppress(HostError, TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._sampler.take_traffic()

    async def follow_process(self) -> None:
        """Record the end of QEMU, with its last words, when it ends without being asked to."""
        kills_before = oom_kills()
        end = await self._machine.ended()
        # libvirt ends QEMU as soon as the guest has switched it off: that is recorded first.
        async with self._recording:
            self._log.record(QemuEnd(end.status, end.words, oom_kills() - kills_before))


def oom_kills() -> int:
    """How many processes this host's kernel has killed for want of memory (``/proc/vmstat``)."""
    for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0

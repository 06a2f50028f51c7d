"""What the machine itself does: QMP events, and the end of the QEMU process."""

from __future__ import annotations

from pathlib import Path

from qemu.qmp import EventListener

from harness.evidence.log import EvidenceLog
from harness.machine.machine import Machine

# Of no use to a verdict, and some come many times a second.
_IGNORED = frozenset({"RTC_CHANGE", "NIC_RX_FILTER_CHANGED", "VSERPORT_CHANGE"})


async def follow_events(log: EvidenceLog, listener: EventListener) -> None:
    """Record every QMP event until cancelled."""
    async for event in listener:
        if event["event"] not in _IGNORED:
            log.record("qmp", "event", name=event["event"], detail=event.get("data", {}))


async def follow_process(log: EvidenceLog, machine: Machine) -> None:
    """Record the end of QEMU, with its last words, when it ends without being asked to."""
    kills_before = oom_kills()
    end = await machine.ended()
    log.record(
        "host",
        "qemu-ended",
        status=end.status,
        stderr=list(end.words),
        oom_kills=oom_kills() - kills_before,
    )


def oom_kills() -> int:
    """How many processes this host's kernel has killed for want of memory (``/proc/vmstat``)."""
    for line in Path("/proc/vmstat").read_text(encoding="ascii").splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0

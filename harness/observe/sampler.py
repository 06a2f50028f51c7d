"""What a mute guest does: disk reads, frames, the mode its processor is in.

These are read once a second, and written down when they changed. Nothing that is decided by an
event waits for them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Literal

from harness.evidence import EvidenceLog
from harness.machine.qemu import Machine
from harness.machine.qemu_args import DISK_NODE

PERIOD_S = 1.0

CpuMode = Literal["real", "protected", "long"]

# Intel SDM volume 3A, section 2.5 (CR0.PE is bit 0) and table 2-1 (EFER.LMA is bit 10).
_CR0_PE = 1 << 0
_EFER_LMA = 1 << 10


async def sample(log: EvidenceLog, machine: Machine, guest_frames: Callable[[], int]) -> None:
    """Record samples of the running ``machine`` until cancelled."""
    last_read = last_written = 0
    last_frames = 0
    last_mode: CpuMode | None = None
    while True:
        await asyncio.sleep(PERIOD_S)
        read, written = await disk_traffic(machine)
        if read != last_read:
            log.record("disk", "reads", read_bytes=read)
        if written != last_written:
            log.record("disk", "writes", written_bytes=written)
        last_read, last_written = read, written
        frames = guest_frames()
        if frames != last_frames:
            log.record("network", "frames", count=frames)
            last_frames = frames
        # Once a kernel runs there is nothing more to learn from the mode before a reset.
        mode = await cpu_mode(machine)
        if mode != last_mode:
            log.record("cpu", "mode", mode=mode)
            last_mode = mode


async def disk_traffic(machine: Machine) -> tuple[int, int]:
    """Bytes that the guest has read from the image's disk and written to it since power-on."""
    for device in await machine.command("query-blockstats"):
        if device.get("qdev") == DISK_NODE:
            stats = device["stats"]
            return int(stats["rd_bytes"]), int(stats["wr_bytes"])
    return 0, 0


async def cpu_mode(machine: Machine) -> CpuMode:
    """The mode of the first processor at this moment."""
    return read_cpu_mode(await machine.monitor("info registers"))


def read_cpu_mode(registers: str) -> CpuMode:
    """The mode in what QEMU's ``info registers`` prints."""
    cr0 = re.search(r"\bCR0=([0-9a-fA-F]+)", registers)
    efer = re.search(r"\bEFER=([0-9a-fA-F]+)", registers)
    if efer and int(efer[1], 16) & _EFER_LMA:
        return "long"
    if cr0 and int(cr0[1], 16) & _CR0_PE:
        return "protected"
    return "real"

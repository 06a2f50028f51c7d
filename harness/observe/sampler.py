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
Half = Literal["low", "high"]

# Intel SDM volume 3A, section 2.5 (CR0.PE is bit 0) and table 2-1 (EFER.LMA is bit 10).
_CR0_PE = 1 << 0
_EFER_LMA = 1 << 10
# Volume 1, section 3.3.7.1: canonical addresses.
_UPPER_HALF = 1 << 63


async def sample(log: EvidenceLog, machine: Machine, guest_frames: Callable[[], int]) -> None:
    """Record samples of the running ``machine`` until cancelled."""
    last_read = last_written = 0
    last_frames = 0
    last_cpu: tuple[CpuMode, Half] | None = None
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
        registers = await machine.monitor("info registers")
        cpu = read_cpu_mode(registers), read_interrupt_table(registers)
        if cpu != last_cpu:
            log.record("cpu", "mode", mode=cpu[0], interrupt_table=cpu[1])
            last_cpu = cpu


async def disk_traffic(machine: Machine) -> tuple[int, int]:
    """Bytes that the guest has read from the image's disk and written to it since power-on."""
    for device in await machine.command("query-blockstats"):
        if device.get("qdev") == DISK_NODE:
            stats = device["stats"]
            return int(stats["rd_bytes"]), int(stats["wr_bytes"])
    return 0, 0


def read_cpu_mode(registers: str) -> CpuMode:
    """The mode in what QEMU's ``info registers`` prints."""
    cr0 = re.search(r"\bCR0=([0-9a-fA-F]+)", registers)
    efer = re.search(r"\bEFER=([0-9a-fA-F]+)", registers)
    if efer and int(efer[1], 16) & _EFER_LMA:
        return "long"
    if cr0 and int(cr0[1], 16) & _CR0_PE:
        return "protected"
    return "real"


def read_interrupt_table(registers: str) -> Half:
    """The half of the address space that holds the interrupt table, by ``info registers``.

    Kernels of 64 bits live in the upper half, and their table with them; UEFI and what it starts
    use memory at its own address (UEFI specification 2.10, section 2.3.4).
    """
    table = re.search(r"\bIDT=\s*([0-9a-fA-F]+)", registers)
    return "high" if table and int(table[1], 16) & _UPPER_HALF else "low"

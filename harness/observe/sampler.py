"""Samples of what a guest does without output: disk traffic, frames, the mode of its processor.

They are read once a second and recorded when they have changed, and once more right before a
decision.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from harness.errors import HostError
from harness.evidence.events import (
    CpuModeChange,
    CpuWork,
    DiskReads,
    DiskWrites,
    FrameCount,
    Half,
    IsoReads,
)
from harness.evidence.log import EvidenceLog
from harness.machine.machine import Machine
from harness.machine.qemu_args import DISK_NODE, ISO_NODE
from harness.model.hardware import CpuMode
from harness.observe.network import FrameObserver

PERIOD_S = 1.0
# The period over which the processor's work is averaged, and the share of one processor that is
# more than idling: a guest that waits for a key takes a tenth while its screen is read.
_WORK_S = 5.0
_WORK_SHARE = 0.3
# Until a kernel runs, which reads its disk within a second.
_EARLY_PERIOD_S = 0.25


# Intel SDM volume 3A, section 2.5 (CR0.PE is bit 0) and table 2-1 (EFER.LMA is bit 10).
_CR0_PE = 1 << 0
_EFER_LMA = 1 << 10
# Volume 1, section 3.3.7.1: canonical addresses.
_UPPER_HALF = 1 << 63


class Sampler:
    """The only reader of what changes without an event; it records each change once.

    Its own period is for a running guest. Before an event that ends or decides a run is recorded,
    the caller takes another sample: the last one is up to a second old.
    """

    def __init__(self, log: EvidenceLog, machine: Machine, frames: FrameObserver) -> None:
        self._log, self._machine, self._frames = log, machine, frames
        self._traffic = DiskTraffic()
        self._frame_count = 0
        self._cpu: tuple[CpuMode, Half] | None = None

    async def run(self) -> None:
        """Take samples periodically until cancelled."""
        work = CpuMeter(await self._machine.cpu_s(), self._log.now_s())
        while True:
            early = self._cpu is None or self._cpu[0] != "long"
            await asyncio.sleep(_EARLY_PERIOD_S if early else PERIOD_S)
            await self.take_all()
            share = await work.share(self._machine, self._log.now_s())
            if share >= _WORK_SHARE and self._cpu == ("long", "high"):
                self._log.record(CpuWork(round(share, 2)))

    async def take_all(self) -> None:
        """Record what has changed of all that is sampled."""
        await self.take_traffic()
        # Once a kernel runs the mode says nothing new until a reset.
        registers = await self._machine.monitor("info registers")
        cpu = read_cpu_mode(registers), read_interrupt_table(registers)
        if cpu != self._cpu:
            self._cpu = cpu
            self._log.record(CpuModeChange(*cpu, self._traffic.read_bytes))

    async def take_traffic(self) -> None:
        """Record what the guest has sent, read and written since the last sample.

        Where QEMU is gone, the size of the disk's file still shows that it was written to; that is
        recorded, then HostError is raised.
        """
        self._frames.read_new()
        if self._frames.guest_frames != self._frame_count:
            self._frame_count = self._frames.guest_frames
            self._log.record(FrameCount(self._frame_count))
        try:
            traffic = await disk_traffic(self._machine)
        except HostError:
            self._record(DiskTraffic(written_bytes=self._machine.allocated_bytes()))
            raise
        self._record(traffic)

    def _record(self, traffic: DiskTraffic) -> None:
        """Record the counts that have grown: of two concurrent samples, either may come first."""
        last, self._traffic = self._traffic, self._traffic.max_of(traffic)
        if traffic.read_bytes > last.read_bytes:
            self._log.record(DiskReads(traffic.read_bytes))
        if traffic.written_bytes > last.written_bytes:
            self._log.record(DiskWrites(traffic.written_bytes))
        if traffic.iso_read_bytes > last.iso_read_bytes:
            self._log.record(IsoReads(traffic.iso_read_bytes))


@dataclass(slots=True)
class CpuMeter:
    """A meter of the machine's use of this host's processors, averaged over a few seconds."""

    cpu_s: float
    since_s: float

    async def share(self, machine: Machine, now_s: float) -> float:
        """Return the share of one processor since the last reading; 0.0 before the period ends."""
        if now_s - self.since_s < _WORK_S:
            return 0.0
        cpu_s = await machine.cpu_s()
        share = (cpu_s - self.cpu_s) / (now_s - self.since_s)
        self.cpu_s, self.since_s = cpu_s, now_s
        return share


@dataclass(frozen=True, slots=True)
class DiskTraffic:
    """Bytes since power-on: of the image's disk or the target, and of the installer's ISO."""

    read_bytes: int = 0
    written_bytes: int = 0
    iso_read_bytes: int = 0

    def max_of(self, other: DiskTraffic) -> DiskTraffic:
        """Return the larger of each count: they only grow."""
        return DiskTraffic(
            max(self.read_bytes, other.read_bytes),
            max(self.written_bytes, other.written_bytes),
            max(self.iso_read_bytes, other.iso_read_bytes),
        )


async def disk_traffic(machine: Machine) -> DiskTraffic:
    """Return the bytes that the guest has read and written since power-on."""
    found = {
        device.get("node-name"): device["stats"]
        for device in await machine.command("query-blockstats")
    }
    disk, iso = found.get(DISK_NODE, {}), found.get(ISO_NODE, {})
    return DiskTraffic(
        int(disk.get("rd_bytes", 0)), int(disk.get("wr_bytes", 0)), int(iso.get("rd_bytes", 0))
    )


def read_cpu_mode(registers: str) -> CpuMode:
    """Return the processor mode in the output of QEMU's ``info registers``."""
    cr0 = re.search(r"\bCR0=([0-9a-fA-F]+)", registers)
    efer = re.search(r"\bEFER=([0-9a-fA-F]+)", registers)
    if efer and int(efer[1], 16) & _EFER_LMA:
        return "long"
    if cr0 and int(cr0[1], 16) & _CR0_PE:
        return "protected"
    return "real"


def read_interrupt_table(registers: str) -> Half:
    """Return the half of the address space with the interrupt table, by ``info registers``.

    Kernels of 64 bits live in the upper half, and their table with them; UEFI and what it starts
    use memory at its own address (UEFI specification 2.10, section 2.3.4).
    """
    table = re.search(r"\bIDT=\s*([0-9a-fA-F]+)", registers)
    return "high" if table and int(table[1], 16) & _UPPER_HALF else "low"

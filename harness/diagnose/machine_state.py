"""The state of the machine since it last started, which the conditions of rules test."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from harness.model.hardware import CpuMode, Firmware
from harness.model.image import Medium
from harness.model.stages import Stage, Timeline, rank

DISK_SEEN = "disk-seen"
"""The sign that the kernel has found its disk: set by a rule, or by reads of the disk."""
IPV6_TAKEN = "ipv6-taken"
"""The sign that the guest has taken the IPv6 address that the seed gives it."""

InspectionSign = Literal["no-installer", "no-virtio-net", "drivers-later", "unattended"]
"""A sign that is known before the boot; rules test it like the signs seen during the boot."""


@dataclass(slots=True)
class MachineState:
    """The state of one boot of the machine; every restart begins a new one.

    ``signs`` are named by rules (:mod:`harness.diagnose.rules`); ``facts`` are the words that were
    read with them. ``known`` are the signs that were known before the boot; every restart keeps
    them. ``handover_bytes`` is what the firmware had read from the disk when it handed over,
    ``kernel_bytes`` what had been read when a kernel began to run; None before that.
    """

    firmware: Firmware = "bios"
    medium: Medium = "disk"
    known: frozenset[str] = frozenset()
    timeline: Timeline = field(default_factory=Timeline)
    cpu_mode: CpuMode = "real"
    read_bytes: int = 0
    handover_bytes: int | None = None
    kernel_bytes: int | None = None
    written_bytes: int = 0
    frames: int = 0
    addresses: set[str] = field(default_factory=set)
    asked_for_dhcp: bool = False
    signs: set[str] = field(default_factory=set)
    facts: dict[str, str] = field(default_factory=dict)

    def restarted(self) -> MachineState:
        """Return the state of the same machine after a reset."""
        return MachineState(
            firmware=self.firmware, medium=self.medium, known=self.known, signs=set(self.known)
        )

    def reached(self, stage: Stage) -> bool:
        """Tell whether this boot has reached ``stage``."""
        return bool(self.timeline.reached_s) and rank(self.timeline.furthest) >= rank(stage)

    @property
    def kernel_runs(self) -> bool:
        """True once a kernel runs: by its own text, or by the processor's mode.

        SeaBIOS and the boot loaders under it leave the processor out of long mode; UEFI itself
        runs in it.
        """
        return self.reached("kernel") or (
            self.firmware == "bios" and self.cpu_mode == "long" and self.reached("bootloader")
        )

    @property
    def reads(self) -> bool:
        """True if the disk was read after the firmware had handed over."""
        return self.handover_bytes is not None and self.read_bytes > self.handover_bytes

    def take_disk_reads(self, read_bytes: int) -> None:
        """Note how much was read from the disk so far."""
        if self.kernel_runs and self.kernel_bytes is None and self.medium == "iso":
            self.kernel_bytes = read_bytes
        if self.kernel_runs and read_bytes > self._before_kernel_bytes:
            self.signs.add(DISK_SEEN)
        if self.handover_bytes is None and self.reached("bootloader"):
            # The boot sector itself is the firmware's read, and may be in the first sample.
            self.handover_bytes = min(read_bytes, _BOOT_SECTOR_BYTES)
        self.read_bytes = read_bytes

    @property
    def _before_kernel_bytes(self) -> int:
        """The bytes that had been read when a kernel began to run, as far as that is known.

        A system that was booted from the disk goes on reading it. Of a disk that is only a target,
        the boot loader of the ISO may have read the most.
        """
        if self.medium == "iso" and self.kernel_bytes is not None:
            return self.kernel_bytes
        return self.read_bytes

    def take_kernel_reads(self, read_bytes: int) -> None:
        """Note how much had been read when the processor was first seen in a kernel's mode."""
        if self.kernel_bytes is None:
            self.kernel_bytes = read_bytes

    def take_frame(self, kind: str, source: str) -> None:
        """Note a frame of the guest."""
        self.frames += 1
        if kind.startswith("dhcp-"):
            self.asked_for_dhcp = True
        if source and source not in ("0.0.0.0", "::"):  # noqa: S104  addresses, no bind
            self.addresses.add(source)


# SeaBIOS reads one sector and jumps to it (SeaBIOS, src/boot.c, boot_disk); its driver may have
# read a few more to find the geometry of the disk.
_BOOT_SECTOR_BYTES = 4096

"""The number of machines that this host can run at once without slowing each other down."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from harness.host.scratch import MIN_FREE_BYTES, scratch_root
from harness.machine.acceleration import Acceleration

# Beside the guest's memory: QEMU itself, and the program that watches it.
_BESIDE_BYTES = 512 << 20
# Memory that stays free for the host itself.
_KEPT_BYTES = 512 << 20
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Capacity:
    """The numbers of machines that fit by processors, memory and disk space; the free space."""

    by_processors: int
    by_memory: int
    by_space: int
    free_bytes: int

    @property
    def jobs(self) -> int:
        """The number of machines at once: at least one, which is tried in any case."""
        return max(1, min(self.by_processors, self.by_memory, self.by_space))

    def description(self, jobs: int) -> str:
        """Return the number of jobs and the reason for it, in words."""
        if jobs != self.jobs:
            return f"{jobs} at once, as asked"
        least = min(self.by_processors, self.by_memory, self.by_space)
        bounds = {
            "processors": self.by_processors,
            "memory": self.by_memory,
            "disk space": self.by_space,
        }
        names = [name for name, fits in bounds.items() if fits == least]
        return f"{jobs} at once, by {' and '.join(names)}"

    def write_limit_bytes(self, jobs: int) -> int:
        """Return the most bytes that one of ``jobs`` runs may write to a file."""
        return write_limit_bytes(self.free_bytes, jobs)


def write_limit_bytes(free_bytes: int, jobs: int) -> int:
    """Return the share of the free space that one of ``jobs`` runs may write, in bytes."""
    return max(MIN_FREE_BYTES, (free_bytes - MIN_FREE_BYTES) // jobs)


def measure_capacity(acceleration: Acceleration, memory_mib: int) -> Capacity:
    """Return the present capacity of this host for guests of ``memory_mib``.

    An emulated machine keeps one processor busy, and its observers a part of another: two for each
    (docs/decisions/0008-one-thread-under-tcg.md). Under KVM a boot mostly waits: one for each.
    """
    each = 2 if acceleration.accelerator == "tcg" else 1
    free_bytes = shutil.disk_usage(scratch_root()).free
    return Capacity(
        by_processors=_processors() // each,
        by_memory=free_guest_slots(memory_mib),
        by_space=free_bytes // (2 * MIN_FREE_BYTES),
        free_bytes=free_bytes,
    )


def free_guest_slots(memory_mib: int) -> int:
    """Return the number of further guests of ``memory_mib`` that this host has memory for now."""
    return (_free_memory_bytes() - _KEPT_BYTES) // ((memory_mib << 20) + _BESIDE_BYTES)


def _processors() -> int:
    """Return the number of processors for this process, by affinity and by quota (cgroups, v2)."""
    count = len(os.sched_getaffinity(0))
    quota, _, period = _cgroup("cpu.max").partition(" ")
    if quota.isdigit() and period.isdigit():
        count = min(count, max(1, int(quota) // int(period)))
    return count


def _free_memory_bytes() -> int:
    """Return the memory free without swapping, of the host (proc(5)) and of this process' group."""
    fields = dict(line.split(":") for line in _read(Path("/proc/meminfo")).splitlines())
    free = int(fields["MemAvailable"].split()[0]) << 10
    limit, used = _cgroup("memory.max"), _cgroup("memory.current")
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return free


def _cgroup(name: str) -> str:
    """Return a value of this process' control group; "" without one."""
    try:
        group = _read(Path("/proc/self/cgroup")).strip().rpartition(":")[2]
        return _read(_CGROUP / group.lstrip("/") / name).strip()
    except OSError:
        return ""


def _read(path: Path) -> str:
    return path.read_text(encoding="ascii", errors="replace")

"""The state of a process of this host: its processor time, its waiting for a processor, its pauses.

Everything is read from procfs (proc(5)); a process that has ended reads as zeros.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_CGROUPS = Path("/sys/fs/cgroup")
_STOPPED = frozenset("Tt")


def cpu_s(pid: int) -> float:
    """Return the processor time of a process in seconds, user and system; 0.0 once it has ended."""
    fields = _stat(pid)
    # proc_pid_stat(5): utime and stime are fields 14 and 15; the state, field 3, is the first here.
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def run_queue_waits_s(pid: int) -> dict[str, float]:
    """Return how long each thread of a process has waited for a processor so far, in seconds.

    It is the second number of ``/proc/PID/task/TID/schedstat`` (Linux,
    Documentation/scheduler/sched-stats.rst) by the thread's id; nothing where the kernel has none.
    """
    waits_s = {}
    for path in (_PROC / str(pid) / "task").glob("*/schedstat"):
        try:
            waits_s[path.parent.name] = int(path.read_text(encoding="ascii").split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            continue
    return waits_s


def is_stopped(pid: int) -> bool:
    """Tell whether a process is stopped by a signal, or frozen with its cgroup."""
    fields = _stat(pid)
    return bool(fields) and (fields[0] in _STOPPED or _is_frozen(pid))


def steal_s() -> float:
    """Return the time that the hypervisor of this host gave to others, per processor, in seconds.

    It is ``steal`` of ``/proc/stat`` (proc_stat(5)); 0.0 if missing.
    """
    try:
        total = (_PROC / "stat").read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(total[8]) / os.sysconf("SC_CLK_TCK") / (os.cpu_count() or 1)
    except (OSError, ValueError, IndexError):
        return 0.0


def _stat(pid: int) -> list[str]:
    """Return the fields of ``/proc/PID/stat`` from the third on; nothing once it has ended."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    # The name before them may hold blanks and brackets.
    return stat.rpartition(")")[2].split()


def _is_frozen(pid: int) -> bool:
    """Tell whether the cgroup of a process is frozen (cgroup v2, ``cgroup.events``)."""
    try:
        rows = (_PROC / str(pid) / "cgroup").read_text(encoding="ascii", errors="replace")
        own = next(row[3:] for row in rows.splitlines() if row.startswith("0::"))
        events = (_CGROUPS / own.lstrip("/") / "cgroup.events").read_text(encoding="ascii")
    except (OSError, StopIteration, UnicodeDecodeError):
        return False
    return "frozen 1" in events.splitlines()

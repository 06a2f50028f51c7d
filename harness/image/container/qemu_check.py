"""The check of a qcow2's reference counts by QEMU (``qemu-img check``).

Only for a file that our own reader accepts: ``qemu-img`` would open the backing file and the data
file in its header. It still runs under limits: its memory and output depend on the image.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HostError
from harness.host.limits import ProgramLimits, TooLongError, run_limited
from harness.host.programs import find_program

# The output is bounded, too: for an oversized table qemu-img wrote 461 MB in 5 s.
_LIMITS = ProgramLimits(
    cpu_s=5, wall_s=15.0, memory_bytes=1 << 30, open_files=32, output_bytes=64 << 10
)


@dataclass(frozen=True, slots=True)
class QemuCheck:
    """The result of ``qemu-img check``.

    ``corruptions`` and ``leaks`` are numbers of clusters; ``problem`` says why there are none.
    A leak only wastes space; a corruption reads wrong bytes.
    """

    corruptions: int = 0
    leaks: int = 0
    problem: str = ""


def check_with_qemu(path: Path) -> QemuCheck:
    """Run ``qemu-img check`` on the qcow2 at ``path``, read-only, under limits.

    At most 5 s of CPU time, 15 s in all, 1 GiB of memory, 64 KiB of output and no file written.
    """
    words = ["check", "-f", "qcow2", "-U", "--output=json", str(path.resolve())]
    try:
        command = [str(find_program("qemu-img")), *words]
        text, status = run_limited(command, _LIMITS, with_stderr=True)
    except TooLongError:
        return QemuCheck(problem=f"it took more than {_LIMITS.wall_s:.0f} s")
    except HostError as error:
        return QemuCheck(problem=str(error).rstrip("."))
    return _parse(text, status)


def _parse(text: bytes, status: int) -> QemuCheck:
    try:
        report = json.loads(text[text.index(b"{") :])
        return QemuCheck(int(report.get("corruptions", 0)), int(report.get("leaks", 0)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        lines = text.decode("utf-8", errors="replace").strip().splitlines()
        if errors := sum(line.startswith("ERROR") for line in lines):
            # Too many for the output limit: the report is cut.
            return QemuCheck(corruptions=errors)
        last = lines[-1:] or ["no word"]
        return QemuCheck(problem=f"it ended with status {status}: {last[0][:200]}")

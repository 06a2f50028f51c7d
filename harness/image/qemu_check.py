"""What QEMU itself says of a qcow2's reference counts (``qemu-img check``).

Only for a file that our own reader found sound: ``qemu-img`` would open the backing file and the
data file that a header names. It runs under limits all the same: its memory and its output grow
with what the image says of itself.
"""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from harness.errors import HostError
from harness.programs import PDEATHSIG, find_program

_CPU_S = 5
_WALL_S = 15
_MEMORY_BYTES = 1 << 30
_OUTPUT_BYTES = 64 << 10


@dataclass(frozen=True, slots=True)
class QemuCheck:
    """``corruptions`` and ``leaks`` are counts of clusters; ``problem`` says why there are none.

    A leak wastes space and harms nothing; a corruption reads wrong bytes.
    """

    corruptions: int = 0
    leaks: int = 0
    problem: str = ""


def check_with_qemu(path: Path) -> QemuCheck:
    """Let ``qemu-img check`` look at the qcow2 at ``path``, read-only, under limits.

    At most 5 s of processor, 15 s in all, 1 GiB of memory, 64 KiB of output and no file written.
    """
    try:
        command = _command(path)
    except HostError as error:
        return QemuCheck(problem=str(error).rstrip("."))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            # Its output goes through a pipe that is read to a limit: it once wrote 461 MB in 5 s.
            text = _read_limited(process)
        except subprocess.TimeoutExpired:
            return QemuCheck(problem=f"it took more than {_WALL_S} s")
        finally:
            process.kill()
    return _parse(text, process.returncode)


def _command(path: Path) -> list[str]:
    limits = [f"--cpu={_CPU_S}", f"--as={_MEMORY_BYTES}", "--fsize=0", "--nofile=32", "--core=0"]
    check = ["check", "-f", "qcow2", "-U", "--output=json", str(path.resolve())]
    prlimit, qemu_img = str(find_program("prlimit")), str(find_program("qemu-img"))
    return [*PDEATHSIG, prlimit, *limits, "--", qemu_img, *check]


def _read_limited(process: subprocess.Popen[bytes]) -> bytes:
    """Its output up to the limit. Raises TimeoutExpired where it is not done in time."""
    assert process.stdout is not None  # noqa: S101  a pipe was asked for
    output = bytearray()
    deadline_s = time.monotonic() + _WALL_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) < _OUTPUT_BYTES:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise subprocess.TimeoutExpired(process.args, _WALL_S)
            chunk = os.read(process.stdout.fileno(), _OUTPUT_BYTES)
            if not chunk:
                process.wait(timeout=1)
                break
            output += chunk
    return bytes(output)


def _parse(text: bytes, status: int) -> QemuCheck:
    try:
        report = json.loads(text[text.index(b"{") :])
        return QemuCheck(int(report.get("corruptions", 0)), int(report.get("leaks", 0)))
    except (ValueError, TypeError, AttributeError, RecursionError):
        lines = text.decode("utf-8", errors="replace").strip().splitlines()
        if errors := sum(line.startswith("ERROR") for line in lines):
            # So many that the report did not fit.
            return QemuCheck(corruptions=errors)
        last = lines[-1:] or ["no word"]
        return QemuCheck(problem=f"it ended with status {status}: {last[0][:200]}")

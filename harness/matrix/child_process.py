"""A program of one attempt: watched until it ends, misses its deadline, or has to stop."""

from __future__ import annotations

import logging
import os
import select
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.host.programs import PDEATHSIG
from harness.matrix.stop import Stop

_log = logging.getLogger(__name__)

PYTHON = "python"
"""The word in a command of a catalog for the Python that harness runs in."""

# The time for a program to clean up after SIGTERM.
_GRACE_S = 30.0
# The interval at which the progress is reported and the deadline checked.
_TICK_S = 0.5
_OUTPUT_BYTES = 16 << 20
_LAST_LINES = 5

End = Literal["ended", "late", "stopped"]


@dataclass(frozen=True, slots=True)
class ChildResult:
    """The exit status of a program, negative for a signal, and its output.

    ``stderr_lines`` are its last lines on stderr. ``end`` tells whether it ended by itself.
    """

    end: End
    status: int
    stdout: str
    stderr_lines: tuple[str, ...]


def run_child(
    command: Sequence[str],
    folder: Path,
    stop: Stop,
    is_late: Callable[[], bool],
    write_limit_bytes: int = 0,
) -> ChildResult:
    """Run ``command`` in ``folder`` until it ends; its children die with it, and it with us.

    ``is_late`` is called twice a second: True ends the program, as ``stop`` does. The program gets
    time to clean up and is then killed. No file that it writes gets larger than
    ``write_limit_bytes``, if that is not 0. Raises OSError if it cannot be started.
    """
    limit = ("prlimit", f"--fsize={write_limit_bytes}", "--") if write_limit_bytes else ()
    program, *rest = command
    words = [*limit, sys.executable if program == PYTHON else program, *rest]
    _log.info("start in %s: %s", folder, shlex.join(words))
    with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
        process = subprocess.Popen(
            [*PDEATHSIG, *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            start_new_session=True,
        )
        try:
            end = _watch(process, stop, is_late)
        finally:
            _end(process)
        stdout.seek(0)
        stderr.seek(max(0, stderr.tell() - _OUTPUT_BYTES))
        lines = stderr.read(_OUTPUT_BYTES).decode(errors="replace").strip().splitlines()
        text = stdout.read(_OUTPUT_BYTES).decode(errors="replace")
    _log.info("process %d %s, with status %d", process.pid, end, process.returncode)
    return ChildResult(end, process.returncode, text, tuple(lines[-_LAST_LINES:]))


def _watch(process: subprocess.Popen[bytes], stop: Stop, is_late: Callable[[], bool]) -> End:
    """Wait for the end of a process; end it if it is late or has to stop."""
    descriptor = os.pidfd_open(process.pid)
    end: End = "stopped"
    try:
        end = _wait(descriptor, stop, is_late)
        return end
    finally:
        # Also after a Ctrl-C in the thread that receives it.
        if end != "ended":
            process.send_signal(signal.SIGTERM)
            _wait_for(descriptor, _GRACE_S)
        os.close(descriptor)


def _wait(descriptor: int, stop: Stop, is_late: Callable[[], bool]) -> End:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.register(stop, select.POLLIN)
    while True:
        ready = {number for number, _ in poll.poll(_TICK_S * 1000)}
        if descriptor in ready:
            return "ended"
        if stop.is_set:
            return "stopped"
        if is_late():
            return "late"


def _wait_for(descriptor: int, timeout_s: float) -> None:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    poll.poll(timeout_s * 1000)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a process, and what is left of those that it has started in its session."""
    if process.poll() is None:
        process.kill()
    process.wait()
    _kill_group(process.pid)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def deadline(timeout_s: float) -> Callable[[], bool]:
    """Return a function that is true once ``timeout_s`` seconds have passed."""
    end_s = time.monotonic() + timeout_s
    return lambda: time.monotonic() > end_s

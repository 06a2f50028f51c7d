"""A program of one attempt: watched until it ends, is late, or is told to stop."""

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
"""In a command of a catalog: the Python that harness runs in."""

# What a program has to clean up in, once it is told to end.
_GRACE_S = 30.0
# How often somebody who shows the progress is told, and the deadline is looked at.
_TICK_S = 0.5
_OUTPUT_BYTES = 16 << 20
_LAST_LINES = 5

End = Literal["ended", "late", "stopped"]


@dataclass(frozen=True, slots=True)
class Child:
    """What became of a program: its exit status, negative for a signal, and what it said.

    ``last_words`` are its last lines on stderr. ``end`` says whether it ended by itself.
    """

    end: End
    status: int
    stdout: str
    last_words: tuple[str, ...]


def run_child(
    command: Sequence[str],
    folder: Path,
    stop: Stop,
    is_late: Callable[[], bool],
    write_limit_bytes: int = 0,
) -> Child:
    """Run ``command`` in ``folder`` until it ends; its children die with it, and it with us.

    ``is_late`` is asked twice a second: True ends it, as ``stop`` does. It may end in order then,
    and is killed where it does not. No file that it writes gets larger than ``write_limit_bytes``,
    where that is not 0. Raises OSError where it cannot be started.
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
        said = stderr.read(_OUTPUT_BYTES).decode(errors="replace").strip().splitlines()
        text = stdout.read(_OUTPUT_BYTES).decode(errors="replace")
    _log.info("process %d %s, with status %d", process.pid, end, process.returncode)
    return Child(end, process.returncode, text, tuple(said[-_LAST_LINES:]))


def _watch(process: subprocess.Popen[bytes], stop: Stop, is_late: Callable[[], bool]) -> End:
    """Wait for the end of a process, and bring it about where it is wanted."""
    descriptor = os.pidfd_open(process.pid)
    end: End = "stopped"
    try:
        end = _wait(descriptor, stop, is_late)
        return end
    finally:
        # Also where it is interrupted: by Ctrl-C, in a thread that takes it.
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
    """Kill what is left of a process and of those that it has started in its session."""
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
    """Whether ``timeout_s`` seconds have gone by since this was called."""
    end_s = time.monotonic() + timeout_s
    return lambda: time.monotonic() > end_s

"""Programs that parse untrusted bytes: run under resource limits, with bounded output."""

from __future__ import annotations

import logging
import os
import selectors
import shlex
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from harness.errors import CaughtError
from harness.host.programs import PDEATHSIG, find_program

_log = logging.getLogger(__name__)

# The interval at which the stop event of a running program is checked.
_STOP_POLL_S = 0.1


@dataclass(frozen=True, slots=True)
class ProgramLimits:
    """The limits of a program: CPU time, wall time, address space, open files, output."""

    cpu_s: int
    wall_s: float
    memory_bytes: int
    open_files: int
    output_bytes: int


class TooLongError(CaughtError):
    """A program that reached its wall time limit, or was stopped."""


def run_limited(
    command: list[str],
    limits: ProgramLimits,
    *,
    stdin: bytes = b"",
    with_stderr: bool = False,
    stop: threading.Event | None = None,
) -> tuple[bytes, int]:
    """Run ``command``; return its stdout, up to the limit, and its exit status.

    The program reads ``stdin``, cannot write files and dies with its parent. Its stderr is
    discarded, or part of the output ``with_stderr``. Raises TooLongError at the wall time limit or
    soon after ``stop`` is set, HostError where prlimit(1) is missing.
    """
    # The soft limit ends it with SIGXCPU, which names the reason; the hard one with SIGKILL.
    words = [
        f"--cpu={limits.cpu_s}:{limits.cpu_s + 1}",
        f"--as={limits.memory_bytes}",
        "--fsize=0",
        "--core=0",
    ]
    words += [f"--nofile={limits.open_files}", "--", *command]
    _log.debug("start: %s", shlex.join(command))
    started_s = time.monotonic()
    with (
        _stdin(stdin) as source,
        subprocess.Popen(
            [*PDEATHSIG, str(find_program("prlimit")), *words],
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if with_stderr else subprocess.DEVNULL,
        ) as process,
    ):
        try:
            output = _read(process, limits, stop)
        finally:
            process.kill()
            process.wait()
            status, took_s = process.returncode, time.monotonic() - started_s
            _log.debug("%s ended with status %d after %.2f s", command[0], status, took_s)
    return output, process.returncode


@contextmanager
def _stdin(content: bytes) -> Iterator[BinaryIO]:
    """A file in memory that holds ``content``. A pipe would need a writer during the run."""
    with os.fdopen(os.memfd_create("stdin"), "w+b") as file:
        file.write(content)
        file.seek(0)
        yield file


def _read(
    process: subprocess.Popen[bytes], limits: ProgramLimits, stop: threading.Event | None
) -> bytes:
    assert process.stdout is not None  # noqa: S101  a pipe was asked for
    output = bytearray()
    deadline_s = time.monotonic() + limits.wall_s
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) < limits.output_bytes:
            remaining_s = deadline_s - time.monotonic()
            if remaining_s <= 0 or (stop and stop.is_set()):
                raise TooLongError
            if not selector.select(min(remaining_s, _STOP_POLL_S) if stop else remaining_s):
                continue
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                process.wait()
                break
            output += chunk
    return bytes(output)

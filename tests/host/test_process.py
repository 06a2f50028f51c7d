"""What procfs says of real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.host.process import cpu_s, is_stopped, run_queue_waits_s, steal_s
from tests.processes import wait_for


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[bytes]]:
    """A process that wants a processor for itself."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as process:
        yield process
        process.kill()


def test_a_busy_process_takes_processor_time(busy: subprocess.Popen[bytes]) -> None:
    wait_for(lambda: cpu_s(busy.pid) > 0.05)


def test_two_processes_on_one_processor_wait_for_each_other(busy: subprocess.Popen[bytes]) -> None:
    one = {min(os.sched_getaffinity(0))}
    os.sched_setaffinity(busy.pid, one)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        os.sched_setaffinity(other.pid, one)
        wait_for(lambda: max(run_queue_waits_s(busy.pid).values(), default=0.0) > 0.05)
        other.kill()


def test_a_stopped_process_is_told_from_one_that_runs(busy: subprocess.Popen[bytes]) -> None:
    assert not is_stopped(busy.pid)
    busy.send_signal(signal.SIGSTOP)
    wait_for(lambda: is_stopped(busy.pid))
    busy.send_signal(signal.SIGCONT)
    wait_for(lambda: not is_stopped(busy.pid))


def test_a_process_that_has_ended_reads_as_zeros(busy: subprocess.Popen[bytes]) -> None:
    busy.kill()
    busy.wait()
    assert (cpu_s(busy.pid), run_queue_waits_s(busy.pid)) == (0.0, {})
    assert not is_stopped(busy.pid)


def test_the_steal_of_this_host_is_a_number_of_seconds() -> None:
    assert steal_s() >= 0

"""A plugin for pytest: how long a test may take, by its mark, and the end of one that hangs.

A test that hangs waits, more often than not, for a process that it started; what ends it has to
end that process, too, or the ``with`` around the process waits on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

LIMITS_S = {
    "nightly": 4 * 3600,
    "slow": 3600,
    "boot": 900,
    "programs": 600,
    "corpus": 300,
}
"""The first mark that a test has decides. They are there for what hangs, and measure nothing."""
FAST_LIMIT_S = 120
FACTOR = "HARNESS_TEST_TIME_FACTOR"
"""The environment variable that stretches every limit, for a machine that is slow or busy."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give each test its limit, but where one has its own, or --timeout decides."""
    if not config.pluginmanager.hasplugin("timeout") or config.getoption("timeout") is not None:
        return
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_limit_s(item)))


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_set_timer() -> Generator[None, Any, Any]:
    """At its limit a test takes with it what it started; then pytest-timeout fails it."""
    is_set = yield
    _kill_before_alarm()
    return is_set


def _limit_s(item: pytest.Item) -> float:
    """The limit of a test, setup and teardown included."""
    marked = next((LIMITS_S[mark] for mark in LIMITS_S if item.get_closest_marker(mark)), None)
    return (marked or FAST_LIMIT_S) * float(os.environ.get(FACTOR, "1"))


def _kill_before_alarm() -> None:
    """Let the handler of SIGALRM kill first what was started from here since this call."""
    handler = signal.getsignal(signal.SIGALRM)
    # Of /proc/PID/stat: the time since the host was started, in clock ticks.
    began_ticks = int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))

    def end(signum: int, frame: FrameType | None) -> None:
        for pid in _descendants_since(began_ticks):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if callable(handler):
            handler(signum, frame)

    if callable(handler):
        signal.signal(signal.SIGALRM, end)


def _descendants_since(began_ticks: int) -> list[int]:
    """The processes below this one that started later; helpers of a whole session are older."""
    rows: dict[int, tuple[int, int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        rows[int(path.parent.name)] = int(words[1]), int(words[19])
    found, below = [], {os.getpid()}
    while below:
        below = {pid for pid, (parent, _) in rows.items() if parent in below}
        # Not before: it may have started in the tick in which the test began.
        found += [pid for pid in below if rows[pid][1] >= began_ticks]
    return found

"""A test that hangs is ended, with what it started, and the others go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.time_limits import FACTOR, FAST_LIMIT_S

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.programs

_HANGING = """
import subprocess
import time

OLDER = subprocess.Popen(["sleep", "5000"])
time.sleep(0.1)  # the kernel counts the age of a process in ticks of 0.01 s


def test_that_hangs():
    with subprocess.Popen(["sh", "-c", "sleep 6000; true"]):
        pass  # which waits


def test_after_it():
    assert OLDER.poll() is None, "what is older than the test is not its own"
    OLDER.kill()
    OLDER.wait()
"""


def processes(*words: str) -> list[str]:
    wanted = b"\0".join(word.encode() for word in words) + b"\0"
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            content = path.read_bytes()
        except OSError:
            continue
        if content == wanted:
            found.append(path.parent.name)
    return found


def test_a_test_that_hangs_is_ended_with_what_it_started(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile(_HANGING)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv(FACTOR, str(2 / FAST_LIMIT_S))
    done = pytester.runpytest_subprocess("-p", "tests.time_limits", "--timeout-method", "signal")
    done.assert_outcomes(failed=1, passed=1)
    done.stdout.fnmatch_lines(["*Timeout*from pytest-timeout*"])
    assert processes("sleep", "6000") == []

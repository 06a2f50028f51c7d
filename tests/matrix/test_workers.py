"""The pool of workers: the count of them, and the sentence once none is left."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.matrix.workers import WaitLimits, WorkerPool

# Every wait is over at once.
_NO_WAIT = WaitLimits(workers_s=-1, resource_s=-1)


def workers() -> WorkerPool:
    return WorkerPool("tcp://127.0.0.1:8786", _NO_WAIT)


def test_no_worker_from_the_beginning_is_an_error() -> None:
    counted = workers()
    counted.count({})
    with pytest.raises(UsageError, match="no worker has come"):
        counted.missing()


def test_a_worker_that_goes_away_is_missed() -> None:
    counted = workers()
    counted.count({"tcp://127.0.0.1:1": {"resources": {"vm": 2}}})
    assert counted.slots == 2
    counted.count({})
    assert counted.missing().startswith("No worker has come back")


def test_a_worker_that_began_a_case_and_was_never_counted_is_missed() -> None:
    counted = workers()
    counted.count({})
    counted.began(1)
    assert counted.slots == 1
    counted.count({})
    assert counted.slots == 0
    assert counted.missing().startswith("No worker has come back")

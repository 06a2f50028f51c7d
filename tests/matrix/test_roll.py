"""The roll of workers: who came, and what is said once nobody is left."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.matrix.roll import Patience, Roll

# Every wait is over at once.
_NO_PATIENCE = Patience(workers_s=-1, resource_s=-1)


def roll() -> Roll:
    return Roll("tcp://127.0.0.1:8786", _NO_PATIENCE)


def test_no_worker_has_come() -> None:
    counted = roll()
    counted.count({})
    with pytest.raises(UsageError, match="no worker has come"):
        counted.missing()


def test_a_worker_that_was_counted_is_missed() -> None:
    counted = roll()
    counted.count({"tcp://127.0.0.1:1": {"resources": {"vm": 2}}})
    assert counted.slots == 2
    counted.count({})
    assert counted.missing().startswith("No worker has come back")


def test_a_worker_that_began_a_case_and_was_never_counted_is_missed() -> None:
    counted = roll()
    counted.count({})
    counted.began(1)
    assert counted.slots == 1
    counted.count({})
    assert counted.slots == 0
    assert counted.missing().startswith("No worker has come back")

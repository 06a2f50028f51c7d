"""A wish to stop, waited for."""

from __future__ import annotations

import select

from harness.matrix.stop import Stop


def can_be_read(stop: Stop) -> bool:
    return bool(select.select([stop], [], [], 0)[0])


def test_it_is_readable_once_it_is_set_and_stays_so() -> None:
    stop = Stop()
    assert (stop.is_set, can_be_read(stop)) == (False, False)
    stop.set()
    stop.set()
    assert (stop.is_set, can_be_read(stop)) == (True, True)
    assert can_be_read(stop)

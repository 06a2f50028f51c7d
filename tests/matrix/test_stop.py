"""A wish to stop, waited for, and the signals that are one."""

from __future__ import annotations

import os
import select
import signal

from harness.matrix.stop import Stop, stop_on_signals


def can_be_read(stop: Stop) -> bool:
    return bool(select.select([stop], [], [], 0)[0])


def test_a_stop_is_readable_once_it_is_set() -> None:
    stop = Stop()
    assert (stop.is_set, can_be_read(stop)) == (False, False)
    stop.set()
    stop.set()
    assert (stop.is_set, can_be_read(stop)) == (True, True)
    assert can_be_read(stop)


def test_a_signal_sets_it_and_its_number_stays() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stop_on_signals() as stop:
        assert (stop.is_set, stop.signal_number) == (False, 0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert (stop.is_set, stop.signal_number) == (True, signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL, "a second one ends at once"
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.signal_number == signal.SIGTERM, "the first one counts"
    assert signal.getsignal(signal.SIGTERM) is before

"""Calls that other threads leave, fetched by one thread."""

from __future__ import annotations

import threading

from harness.matrix.inbox import Inbox
from harness.matrix.stop import Stop

NEVER_S = 3600.0


def fetch(inbox: Inbox, stop: Stop, timeout_s: float = 0.0) -> None:
    for act in inbox.wait(stop, timeout_s):
        act()


def test_calls_are_made_in_order_and_once() -> None:
    inbox, stop, done = Inbox(), Stop(), list[int]()
    for number in range(3):
        inbox.put(lambda number=number: done.append(number))
    fetch(inbox, stop)
    fetch(inbox, stop)
    assert done == [0, 1, 2]


def test_a_wait_ends_with_the_first_act_of_another_thread() -> None:
    inbox, stop, done = Inbox(), Stop(), list[str]()
    other = threading.Thread(target=inbox.put, args=(lambda: done.append("done"),))
    other.start()
    fetch(inbox, stop, NEVER_S)
    other.join()
    assert done == ["done"]


def test_nothing_is_called_after_a_stop() -> None:
    inbox, stop, done = Inbox(), Stop(), list[int]()

    def first() -> None:
        done.append(1)
        stop.set()

    inbox.put(first)
    inbox.put(lambda: done.append(2))
    fetch(inbox, stop)
    assert done == [1]
    fetch(inbox, stop, NEVER_S)
    assert done == [1]

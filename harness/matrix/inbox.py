"""The calls that other threads leave for the one thread that owns the state."""

from __future__ import annotations

import os
import queue
import select
from collections.abc import Callable, Iterator

from harness.matrix.stop import Stop

Act = Callable[[], None]


class Inbox:
    """A queue of calls, kept in their order until they are fetched."""

    def __init__(self) -> None:
        self._acts: queue.SimpleQueue[Act] = queue.SimpleQueue()
        self._filled = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def __del__(self) -> None:
        os.close(self._filled)

    def put(self, act: Act) -> None:
        """Append ``act``. May be called from any thread."""
        self._acts.put(act)
        os.eventfd_write(self._filled, 1)

    def wait(self, stop: Stop, timeout_s: float) -> Iterator[Act]:
        """Wait for a call and yield all that are there; nothing more once ``stop`` is set."""
        poll = select.poll()
        poll.register(self._filled, select.POLLIN)
        poll.register(stop, select.POLLIN)
        if any(number == self._filled for number, _ in poll.poll(timeout_s * 1000)):
            os.eventfd_read(self._filled)
        while not stop.is_set:
            try:
                yield self._acts.get_nowait()
            except queue.Empty:
                return

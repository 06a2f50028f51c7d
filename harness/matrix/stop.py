"""A flag to stop that a thread can wait for beside a process, and the signals that set it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from harness.host.signals import ending_signals


class Stop:
    """A flag that stays set. Its descriptor then becomes readable, for select(2) and poll(2)."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.is_set = False
        self.signal_number = 0
        """The signal that set it; 0 without one."""

    def __del__(self) -> None:
        os.close(self._event)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._event

    def set(self) -> None:
        """Set the flag. May be called from a signal handler, and more than once."""
        self.is_set = True
        os.eventfd_write(self._event, 1)

    def set_by(self, number: int, _: object) -> None:
        """Set the flag, as the handler of a signal."""
        self.signal_number = self.signal_number or number
        self.set()
        # A second signal ends the program at once: all that it has started dies with it.
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Yield a Stop that any signal which ends a program sets while the block runs."""
    stop = Stop()
    before = {number: signal.signal(number, stop.set_by) for number in ending_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""A wish to stop that a thread can wait for beside a process, and the signals that are one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from harness.host.signals import ending_signals


class Stop:
    """Once set, it stays set. Its descriptor becomes readable then, for select(2) and its kin."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.is_set = False
        self.signal_number = 0
        """The signal that set it; 0 where none did."""

    def __del__(self) -> None:
        os.close(self._event)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._event

    def set(self) -> None:
        """Stop. May be called from a signal handler, and more than once."""
        self.is_set = True
        os.eventfd_write(self._event, 1)

    def set_by(self, number: int, _: object) -> None:
        """Stop by a signal, as its handler."""
        self.signal_number = self.signal_number or number
        self.set()
        # Whoever asks twice does not want to wait: what was started dies with this process.
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """A stop that a signal sets while the block runs, of those that end a program."""
    stop = Stop()
    before = {number: signal.signal(number, stop.set_by) for number in ending_signals()}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

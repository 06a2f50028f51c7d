"""A wish to stop that a thread can wait for beside a process."""

from __future__ import annotations

import os


class Stop:
    """Once set, it stays set. Its descriptor becomes readable then, for select(2) and its kin."""

    def __init__(self) -> None:
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.is_set = False

    def __del__(self) -> None:
        os.close(self._event)

    def fileno(self) -> int:
        """The descriptor to wait on."""
        return self._event

    def set(self) -> None:
        """Stop. May be called from a signal handler, and more than once."""
        self.is_set = True
        os.eventfd_write(self._event, 1)

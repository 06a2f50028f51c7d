"""The signals by which a person or a parent process ends the program."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM, and SIGHUP, which a terminal sends when it is closed.

    Without SIGHUP where it is ignored: a program started by nohup is meant to go on.
    """
    always = (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return always
    return (*always, signal.SIGHUP)


@contextmanager
def on_signals(act: Callable[[signal.Signals], object]) -> Iterator[None]:
    """Call ``act`` in the running asyncio loop for each of ``ending_signals`` during the block.

    The signals have no other effect.
    """
    loop = asyncio.get_running_loop()
    numbers = ending_signals()
    for number in numbers:
        loop.add_signal_handler(number, act, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

"""The signals by which a person, or who waits for the program, ends it."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def ending_signals() -> tuple[signal.Signals, ...]:
    """SIGINT, SIGTERM, and SIGHUP, which a terminal sends that is closed.

    Not SIGHUP where it is ignored: who started the program so (nohup) means it to go on.
    """
    always = (signal.SIGINT, signal.SIGTERM)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return always
    return (*always, signal.SIGHUP)


@contextmanager
def on_signals(act: Callable[[signal.Signals], object]) -> Iterator[None]:
    """Each of ``ending_signals`` does ``act`` in the running loop of asyncio while the block runs.

    It ends nothing else.
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

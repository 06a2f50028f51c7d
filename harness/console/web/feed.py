"""The snapshots that all viewers of a machine share, a few a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from harness.host.bugs import as_fault

PERIOD_S = 0.25


class Feed:
    """A source of snapshots, made after a change, at most once a period.

    A viewer takes the newest when it is ready: there is no queue.
    """

    def __init__(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._snapshot = snapshot
        self._changed = asyncio.Event()
        self._news = asyncio.Condition()
        self._number = 0
        self.text = ""
        self.change()

    def change(self) -> None:
        """Mark the last snapshot as outdated."""
        self._changed.set()

    async def run(self) -> None:
        """Make snapshots until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                text = json.dumps(self._snapshot(), ensure_ascii=True)
            except Exception as error:
                # The display stays as it was; the machine and the other viewers go on.
                as_fault(error)
                text = self.text
            if text != self.text:
                async with self._news:
                    self.text = text
                    self._number += 1
                    self._news.notify_all()
            await asyncio.sleep(PERIOD_S)

    async def next_after(self, number: int) -> tuple[int, str]:
        """Wait for a snapshot other than ``number``, and return its number and text."""
        async with self._news:
            await self._news.wait_for(lambda: self._number != number)
            return self._number, self.text

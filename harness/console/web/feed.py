"""What all viewers see of a machine: one snapshot for all, as often as an eye can follow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from harness.host.bugs import as_fault

PERIOD_S = 0.25


class Feed:
    """Makes the text of a snapshot when something has changed, at most once a period.

    A viewer takes the newest one when it is ready for it: none waits in line.
    """

    def __init__(self, snapshot: Callable[[], dict[str, Any]]) -> None:
        self._snapshot = snapshot
        self._changed = asyncio.Event()
        self._news = asyncio.Condition()
        self._number = 0
        self.text = ""
        self.change()

    def change(self) -> None:
        """Note that what was sent last is old."""
        self._changed.set()

    async def run(self) -> None:
        """Make snapshots, for ever."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                text = json.dumps(self._snapshot(), ensure_ascii=True)
            except Exception as error:
                # What is shown stays as it was; the machine and the other viewers go on.
                as_fault(error)
                text = self.text
            if text != self.text:
                async with self._news:
                    self.text = text
                    self._number += 1
                    self._news.notify_all()
            await asyncio.sleep(PERIOD_S)

    async def next_after(self, number: int) -> tuple[int, str]:
        """The newest snapshot and its number, as soon as that is not ``number``."""
        async with self._news:
            await self._news.wait_for(lambda: self._number != number)
            return self._number, self.text

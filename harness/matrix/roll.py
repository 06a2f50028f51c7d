"""Which workers of a cluster are there, and how long it is waited for those that are not."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.errors import UsageError
from harness.matrix.remote import RESOURCE

if TYPE_CHECKING:
    from distributed import Client

Workers = Mapping[str, Mapping[str, Any]]
"""What a scheduler says of its workers, by their addresses."""

# How often the workers are counted. What an image does comes by itself.
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds, before what is missing is said to be missing.

    ``connect_s`` for the scheduler, ``workers_s`` for any worker, ``resource_s`` for one with the
    resource ``vm`` where others are there, ``silence_s`` for a word of a scheduler that was there.
    """

    connect_s: float = 30.0
    workers_s: float = 600.0
    resource_s: float = 15.0
    silence_s: float = 60.0


class Roll:
    """The workers as they were counted last. ``slots`` is how many machines they run at once."""

    def __init__(self, address: str, patience: Patience) -> None:
        self._address, self._patience = address, patience
        self._heard_s = self._seen_s = time.monotonic()
        self._others = 0
        self._had_workers = False
        self.slots = 0

    def count(self, workers: Workers) -> None:
        """Take note of the workers of this moment."""
        now_s = self._heard_s = time.monotonic()
        rooms = [int(row.get("resources", {}).get(RESOURCE, 0)) for row in workers.values()]
        self._others = rooms.count(0)
        self.slots = sum(rooms)
        if self.slots:
            self._seen_s, self._had_workers = now_s, True

    def began(self, slots: int) -> None:
        """Take note that a worker with so many slots began a case: it came, counted or not.

        One that is gone before the next count was never counted.
        """
        self._seen_s, self._had_workers = time.monotonic(), True
        self.slots = max(self.slots, slots)

    def missing(self) -> str:
        """Why nothing more can come of it, in a sentence; "" while something may.

        Raises UsageError where there has been no worker from the beginning.
        """
        now_s, patience = time.monotonic(), self._patience
        if now_s - self._heard_s > patience.silence_s:
            return f"The scheduler {self._address} said nothing for {patience.silence_s:g} s."
        alone_s = now_s - self._seen_s
        if self._had_workers:
            late = alone_s > patience.workers_s
            return f"No worker has come back in {patience.workers_s:g} s." if late else ""
        if self._others and alone_s > patience.resource_s:
            raise UsageError(
                f"--scheduler {self._address}: it has workers ({self._others}), and none with the "
                f"resource {RESOURCE}: start them with --resources {RESOURCE}=1 (docs/cluster.md)."
            )
        if alone_s > patience.workers_s:
            raise UsageError(
                f"--scheduler {self._address}: no worker has come in {patience.workers_s:g} s: "
                f"dask worker {self._address} --resources {RESOURCE}=1 starts one."
            )
        return ""


def call_roll(client: Client, put: Callable[[Workers], None], over: threading.Event) -> None:
    """Hand the workers to ``put`` again and again in a thread, until ``over`` is set.

    A scheduler that hangs keeps that thread, and nobody else.
    """

    def call() -> None:
        while not over.wait(_EVERY_S):
            try:
                workers = client.scheduler_info(n_workers=-1).get("workers")
            except Exception as error:
                # Of any library below dask. That nothing comes is noticed.
                logging.getLogger(__name__).debug("roll call: %r", error)
                continue
            if workers is not None:
                put(dict(workers))

    threading.Thread(target=call, name="roll call", daemon=True).start()

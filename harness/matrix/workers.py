"""The workers of a cluster, and the limits of the wait for missing ones."""

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

WorkerInfo = Mapping[str, Mapping[str, Any]]
"""The workers of a scheduler by their addresses, as dask describes them."""

# How often the workers are counted. The progress of an image comes as an event.
_EVERY_S = 0.5


@dataclass(frozen=True, slots=True)
class WaitLimits:
    """The limits of waits, in seconds.

    ``connect_s`` for the scheduler, ``workers_s`` for any worker, ``resource_s`` for one with the
    resource ``vm`` if there are only others, ``silence_s`` for an answer of a connected scheduler.
    """

    connect_s: float = 30.0
    workers_s: float = 600.0
    resource_s: float = 15.0
    silence_s: float = 60.0


class WorkerPool:
    """The workers at the last count. ``slots`` is the number of machines that they can run."""

    def __init__(self, address: str, limits: WaitLimits) -> None:
        self._address, self._limits = address, limits
        self._heard_s = self._seen_s = time.monotonic()
        self._others = 0
        self._had_workers = False
        self.slots = 0

    def count(self, workers: WorkerInfo) -> None:
        """Note the workers of this moment."""
        now_s = self._heard_s = time.monotonic()
        rooms = [int(row.get("resources", {}).get(RESOURCE, 0)) for row in workers.values()]
        self._others = rooms.count(0)
        self.slots = sum(rooms)
        if self.slots:
            self._seen_s, self._had_workers = now_s, True

    def began(self, slots: int) -> None:
        """Note that a worker with so many slots began a case: it was there, counted or not.

        A worker that is gone before the next count was never counted.
        """
        self._seen_s, self._had_workers = time.monotonic(), True
        self.slots = max(self.slots, slots)

    def missing(self) -> str:
        """Return one sentence that says why no further result can come; "" while one can.

        Raises UsageError if there has been no worker from the beginning.
        """
        now_s, limits = time.monotonic(), self._limits
        if now_s - self._heard_s > limits.silence_s:
            return f"The scheduler {self._address} said nothing for {limits.silence_s:g} s."
        alone_s = now_s - self._seen_s
        if self._had_workers:
            late = alone_s > limits.workers_s
            return f"No worker has come back in {limits.workers_s:g} s." if late else ""
        if self._others and alone_s > limits.resource_s:
            raise UsageError(
                f"--scheduler {self._address}: it has workers ({self._others}), and none with the "
                f"resource {RESOURCE}: start them with --resources {RESOURCE}=1 (docs/cluster.md)."
            )
        if alone_s > limits.workers_s:
            raise UsageError(
                f"--scheduler {self._address}: no worker has come in {limits.workers_s:g} s: "
                f"dask worker {self._address} --resources {RESOURCE}=1 starts one."
            )
        return ""


def poll_workers(client: Client, put: Callable[[WorkerInfo], None], over: threading.Event) -> None:
    """Call ``put`` with the workers again and again in a thread, until ``over`` is set.

    A scheduler that hangs blocks only that thread.
    """

    def call() -> None:
        while not over.wait(_EVERY_S):
            try:
                workers = client.scheduler_info(n_workers=-1).get("workers")
            except Exception as error:
                # Of any library below dask. The pool notices that no count comes.
                logging.getLogger(__name__).debug("poll of the workers: %r", error)
                continue
            if workers is not None:
                put(dict(workers))

    threading.Thread(target=call, name="poll workers", daemon=True).start()

"""An event loop in its own thread, for callers that block.

All that the loop starts dies with that thread (``PR_SET_PDEATHSIG`` is of threads, prctl(2)): the
thread ends when all is cleaned up, and a program that is killed has no threads left.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Generic, TypeVar

from harness.errors import SessionOverError

Managed = TypeVar("Managed")
Answer = TypeVar("Answer")


class LoopThread(Generic[Managed]):
    """A thread with an asynchronous context manager, open from :meth:`start` to :meth:`stop`."""

    def __init__(self, manager: Callable[[], AbstractAsyncContextManager[Managed]]) -> None:
        self._manager = manager
        self._loop = asyncio.new_event_loop()
        # A daemon: a session that was left open does not keep a program from its end.
        self._thread = threading.Thread(target=self._main, name="harness-session", daemon=True)
        self._entered: Future[Managed] = Future()
        self._task: asyncio.Task[None] | None = None
        self._leave = asyncio.Event()
        self._error: BaseException | None = None

    def start(self) -> Managed:
        """Enter the context manager and return its value. Raises what it raises."""
        self._thread.start()
        try:
            return self._entered.result()
        except BaseException:
            self._tell(self._give_up)
            self._thread.join()
            raise

    def stop(self) -> None:
        """Leave the context manager and wait until all is gone. Raises what it raises."""
        self._tell(self._leave.set)
        self._thread.join()
        if self._error is not None:
            raise self._error

    def run(self, work: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
        """Run ``work`` in the loop and return its answer.

        Raises SessionOverError once the loop is stopped.
        """
        if not self._thread.is_alive():
            raise SessionOverError("The session is over: its machine is gone.")
        future = asyncio.run_coroutine_threadsafe(work(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise SessionOverError("The session ended meanwhile: its machine is gone.") from None
        except BaseException:
            # A Ctrl-C ends the wait, and the work with it.
            future.cancel()
            raise

    def _tell(self, step: Callable[[], object]) -> None:
        # The loop may have ended by itself just now.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(step)

    def _give_up(self) -> None:
        self._leave.set()
        if self._task:
            self._task.cancel()

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._hold())
        except BaseException as error:
            self._error = error
            if not self._entered.done():
                self._entered.set_exception(error)

    async def _hold(self) -> None:
        self._task = asyncio.current_task()
        if self._leave.is_set():
            # Stopped before the start.
            raise asyncio.CancelledError
        async with self._manager() as managed:
            self._entered.set_result(managed)
            await self._leave.wait()

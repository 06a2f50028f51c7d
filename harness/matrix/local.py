"""The scheduler of one machine: so many attempts at once, each in a process of its own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from harness.matrix.attempt import Known, Options, attempt
from harness.matrix.catalog import Planned
from harness.matrix.folder import MatrixFolder
from harness.matrix.having import StoppedError
from harness.matrix.progress import Moved, Teller
from harness.matrix.record import Tried
from harness.matrix.stop import Stop

_log = logging.getLogger(__name__)


def run_local(
    planned: Sequence[Planned],
    options: Options,
    folder: MatrixFolder,
    jobs: int,
    *,
    has_room: Callable[[], bool],
    stop: Stop,
    tell: Teller,
    fail_fast: bool = False,
    known: Known | None = None,
) -> None:
    """Try every image, ``jobs`` at once; each is kept in ``folder`` as soon as it has ended.

    An earlier result that is ``known`` takes the place of a boot. One more is begun only where
    ``has_room`` says that it fits, or where none is at work. With ``fail_fast`` the first that is
    not right sets ``stop``; whatever is at work then is ended, and stays untried. Blocks until all
    threads are done.
    """
    queue = _Queue(planned, has_room, stop)
    keep = threading.Lock()

    def take(tried: Tried) -> None:
        with keep:
            folder.add(tried)
            tell(tried)
        if fail_fast and tried.judgement != "right":
            stop.set()

    def work() -> None:
        while row := queue.next():
            try:
                _log.info("%s: begun", row.entry.name)
                tell(Moved(row.entry.name, "starting", options.worker))
                run_dir = folder.run_dir(row.entry.name)
                take(attempt(row, options, run_dir, stop, tell, known))
            except StoppedError:
                continue
            except Exception as error:
                queue.failed(error)
            finally:
                queue.done()

    threads = [threading.Thread(target=work) for _ in range(min(jobs, len(planned)))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.raise_failure()


class _Queue:
    """What is still to be tried, handed out as far as there is room for it."""

    def __init__(
        self, planned: Sequence[Planned], has_room: Callable[[], bool], stop: Stop
    ) -> None:
        self._left = deque(planned)
        self._has_room = has_room
        self._stop = stop
        self._at_work = 0
        self._ended = threading.Condition()
        self._failure: Exception | None = None

    def next(self) -> Planned | None:
        """The next image, once there is room for it; None at the end."""
        with self._ended:
            while self._left and not self._stop.is_set:
                if not self._at_work or self._has_room():
                    self._at_work += 1
                    return self._left.popleft()
                self._ended.wait()
            return None

    def done(self) -> None:
        """One that was handed out has ended."""
        with self._ended:
            self._at_work -= 1
            self._ended.notify_all()

    def failed(self, error: Exception) -> None:
        """A thread cannot go on: a disk where nothing can be kept, or a bug. All end."""
        self._failure = self._failure or error
        self._stop.set()

    def raise_failure(self) -> None:
        """Raise what kept a thread from its work."""
        if self._failure:
            raise self._failure

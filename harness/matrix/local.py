"""The scheduler of one machine: parallel attempts, each in a process of its own."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from harness.matrix.acquire import StoppedError
from harness.matrix.attempt import Options, ResultLookup, attempt
from harness.matrix.catalog import PlannedCase
from harness.matrix.folder import MatrixFolder
from harness.matrix.progress import PhaseChange, ProgressListener
from harness.matrix.record import CaseRow
from harness.matrix.stop import Stop

_log = logging.getLogger(__name__)


def run_local(
    planned: Sequence[PlannedCase],
    options: Options,
    folder: MatrixFolder,
    jobs: int,
    *,
    has_room: Callable[[], bool],
    stop: Stop,
    tell: ProgressListener,
    fail_fast: bool = False,
    known: ResultLookup | None = None,
) -> None:
    """Try every image, ``jobs`` in parallel; each is kept in ``folder`` as soon as it has ended.

    An earlier result that ``known`` returns takes the place of a boot. Another image is started
    only if ``has_room`` is true, or if none is running. With ``fail_fast`` the first image that is
    not right sets ``stop``; running images are ended then and stay untried. Blocks until all
    threads are done.
    """
    queue = _Queue(planned, has_room, stop)
    keep = threading.Lock()

    def take(tried: CaseRow) -> None:
        with keep:
            folder.add(tried)
            tell(tried)
        if fail_fast and tried.judgement != "right":
            stop.set()

    def work() -> None:
        while row := queue.next():
            try:
                _log.info("%s: begun", row.entry.name)
                tell(PhaseChange(row.entry.name, "starting", options.worker))
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
    """The images that are left, handed out as far as there is room for them."""

    def __init__(
        self, planned: Sequence[PlannedCase], has_room: Callable[[], bool], stop: Stop
    ) -> None:
        self._left = deque(planned)
        self._has_room = has_room
        self._stop = stop
        self._at_work = 0
        self._end_of_one = threading.Condition()
        self._failure: Exception | None = None

    def next(self) -> PlannedCase | None:
        """Return the next image once there is room for it; None at the end."""
        with self._end_of_one:
            while self._left and not self._stop.is_set:
                if not self._at_work or self._has_room():
                    self._at_work += 1
                    return self._left.popleft()
                self._end_of_one.wait()
            return None

    def done(self) -> None:
        """Note the end of an image that was handed out."""
        with self._end_of_one:
            self._at_work -= 1
            self._end_of_one.notify_all()

    def failed(self, error: Exception) -> None:
        """Stop all threads: one cannot go on, because of a full disk or a bug."""
        self._failure = self._failure or error
        self._stop.set()

    def raise_failure(self) -> None:
        """Raise the first error that stopped a thread."""
        if self._failure:
            raise self._failure

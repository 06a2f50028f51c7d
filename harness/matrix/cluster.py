"""The scheduler of many machines: images are tried by workers of dask.distributed.

Dask knows the workers and their free slots, and gives an image to another worker when one dies.
This module limits how often that may be, and makes each image end exactly once.
"""

from __future__ import annotations

import logging
import pickle
import queue
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from harness import __version__
from harness.errors import HarnessError, UsageError, WorkerLostError
from harness.evidence.guest_text import printable
from harness.host.bugs import as_fault
from harness.matrix.acquire import StoppedError
from harness.matrix.attempt import Options, fault_row
from harness.matrix.catalog import PlannedCase
from harness.matrix.folder import MatrixFolder
from harness.matrix.inbox import Inbox
from harness.matrix.parcel import ParcelError, unpack
from harness.matrix.progress import PhaseChange, ProgressListener
from harness.matrix.record import RUNS, CaseRow
from harness.matrix.remote import RESOURCE, Order
from harness.matrix.stop import Stop
from harness.matrix.workers import WaitLimits, WorkerInfo, WorkerPool, poll_workers
from harness.trial.result import RESULT_FILE

if TYPE_CHECKING:
    from distributed import Client, Future

_log = logging.getLogger(__name__)

_LIMITS = WaitLimits()
# How often the limits are checked.
_TICK_S = 1.0
# How often an image is started again that workers gave back: they were shut down, or never began.
_MAX_GIVEN_BACK = 5


def run_cluster(
    planned: Sequence[PlannedCase],
    options: Options,
    folder: MatrixFolder,
    address: str,
    *,
    stop: Stop,
    tell: ProgressListener,
    fail_fast: bool = False,
    limits: WaitLimits = _LIMITS,
) -> None:
    """Try every image on the workers of the scheduler at ``address``; ``folder`` keeps each once.

    Blocks until each image has its row: an image that no worker could try to its end has one of
    judgement ``error``. ``stop`` ends the matrix early, and so does the first image that is not
    right with ``fail_fast``: the workers then end their runs, and the rest stays untried. Raises
    UsageError if nothing answers, if no worker has the resource ``vm`` from the beginning, or if
    one has another version of harness; OSError if nothing can be written.
    """

    def told(what: PhaseChange | CaseRow) -> None:
        tell(what)
        if fail_fast and isinstance(what, CaseRow) and what.judgement != "right":
            stop.set()

    client = _connect(address, limits)
    try:
        matrix = _Matrix(client, planned, options, folder, WorkerPool(address, limits), stop, told)
        matrix.run()
    finally:
        # The scheduler forgets the tasks of this client, and the workers see that.
        client.close(timeout=5)


def _connect(address: str, limits: WaitLimits) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--scheduler: needs dask.distributed: pip install 'harness[cluster]'"
        ) from error
    # Dask logs to stderr, with tracebacks, what the error here says in one sentence.
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    answers: queue.SimpleQueue[Client | Exception] = queue.SimpleQueue()

    def connect() -> None:
        try:
            answers.put(Client(address, timeout=limits.connect_s, set_as_default=False))
        except Exception as error:
            answers.put(error)

    # Dask's own timeout is for the connection; a server that accepts it and says nothing hangs it.
    threading.Thread(target=connect, name="connect", daemon=True).start()
    try:
        answer = answers.get(timeout=limits.connect_s + 1)
    except queue.Empty:
        answer = TimeoutError(f"nothing was said for {limits.connect_s:g} s")
    if isinstance(answer, Exception):
        # The message begins with the object that failed to connect.
        message = re.sub(r"^in <[^>]*>: ", "", str(answer.__cause__ or answer))
        why = printable(message, 200) or type(answer).__name__
        raise UsageError(f"--scheduler {address}: no scheduler of dask answers: {why}")
    return answer


def _is_of_dask(error: BaseException) -> bool:
    """Tell whether ``error`` is about the connection to a worker, not raised by the call there."""
    of_dask = type(error).__module__.partition(".")[0] in ("distributed", "dask", "tornado")
    return of_dask or isinstance(error, (OSError, TimeoutError, HarnessError))


def _call() -> Callable[[str, bytes], dict[str, Any]]:
    """Return the function that a worker calls: local, so that it is sent as code and not by name.

    So a scheduler needs no harness, and a worker without one reports that and lives on.
    """

    def call(version: str, order: bytes) -> dict[str, Any]:
        from harness.matrix.remote import try_image

        return try_image(version, order)

    return call


@dataclass(slots=True)
class _Case:
    """An image that has no row yet.

    ``begun`` counts the workers that began it since it was last submitted. ``slots`` are those of
    the last worker, ``worker`` is its name. With ``alone`` the image gets a worker for itself.
    """

    planned: PlannedCase
    future: Future[dict[str, Any]] | None = None
    begun: int = 0
    given_back: int = 0
    slots: int = 1
    worker: str = ""
    alone: bool = False

    @property
    def name(self) -> str:
        return self.planned.entry.name


class _Matrix:
    """One matrix on one cluster. All state belongs to the thread that calls ``run``."""

    def __init__(
        self,
        client: Client,
        planned: Sequence[PlannedCase],
        options: Options,
        folder: MatrixFolder,
        pool: WorkerPool,
        stop: Stop,
        tell: ProgressListener,
    ) -> None:
        self._client, self._options, self._folder = client, options, folder
        self._pool, self._stop, self._tell = pool, stop, tell
        self._rules = tuple((path.name, path.read_text("utf-8")) for path in options.rules)
        self._topic = f"harness-{secrets.token_hex(8)}"
        self._count = 0
        self._inbox = Inbox()
        # Relative paths hold here, not where a worker was started.
        absolute = (replace(row, folder=row.folder.absolute()) for row in planned)
        self._waiting = deque(_Case(row) for row in absolute)
        self._left = {case.name: case for case in self._waiting}
        """The images without a row."""

    def run(self) -> None:
        """Run until each image has its row, or until ``stop`` is set."""
        over = threading.Event()
        for case in self._waiting:
            self._tell(PhaseChange(case.name, "waiting"))
        self._client.subscribe_topic(self._topic, self._on_event)
        poll_workers(
            self._client, lambda found: self._inbox.put(partial(self._take_count, found)), over
        )
        try:
            while self._left and not self._stop.is_set:
                self._hand_out()
                for act in self._inbox.wait(self._stop, _TICK_S):
                    act()
                missing = self._pool.missing()
                if missing:
                    self._give_up(missing)
        finally:
            over.set()

    # Threads of dask call these two.

    def _on_event(self, event: tuple[float, Any]) -> None:
        self._inbox.put(partial(self._take_progress, event[1]))

    def _collect(self, case: _Case, future: Future[dict[str, Any]]) -> None:
        """Fetch the result of an image. If its worker has died by now, dask submits it again."""

        def fetch() -> None:
            outcome: object
            try:
                outcome = future.result()
            except BaseException as error:
                # Passed on: it may be a cancellation.
                outcome = error
            self._inbox.put(partial(self._take_end, case, future, outcome))

        threading.Thread(target=fetch, name=f"collect {case.name}", daemon=True).start()

    # The thread of run() calls all others.

    def _hand_out(self) -> None:
        """Submit as many images as there are free slots: none waits at a busy worker."""
        while self._waiting and len(self._left) - len(self._waiting) < max(1, self._pool.slots):
            case = self._waiting.popleft()
            self._count += 1
            order = Order(case.planned, self._options, self._rules, self._topic)
            case.begun = 0
            case.future = self._client.submit(
                _call(),
                __version__,
                pickle.dumps(order),
                key=f"{self._topic}-{case.name}-{self._count}",
                resources={RESOURCE: case.slots if case.alone else 1},
                pure=False,
            )
            case.future.add_done_callback(partial(self._collect, case))

    def _take_progress(self, message: Mapping[str, Any]) -> None:
        case = self._left.get(str(message.get("name")))
        if case is None:
            return
        worker, phase = printable(str(message["worker"])), printable(str(message["phase"]))
        _log.debug("%s: %s at the worker %s", case.name, phase, worker)
        if "slots" in message:
            case.begun += 1
            case.slots, case.worker = int(message["slots"]), worker
            self._pool.began(case.slots)
        self._tell(PhaseChange(case.name, phase, worker))

    def _take_count(self, workers: WorkerInfo) -> None:
        had_slots = self._pool.slots
        self._pool.count(workers)
        if had_slots and not self._pool.slots:
            for case in self._left.values():
                self._tell(PhaseChange(case.name, "waiting for a worker"))

    def _take_end(self, case: _Case, future: Future[dict[str, Any]], outcome: object) -> None:
        """Take the end of an image at a worker: its row, or a failure."""
        from distributed import KilledWorker

        if case.future is not future or case.name not in self._left:
            return
        is_cancelled = future.cancelled()
        # At once: dask tries a result again that was left on a worker that dies.
        case.future = None
        future.release()
        if isinstance(outcome, dict):
            self._take(case, outcome)
        elif isinstance(outcome, KilledWorker):
            self._take_killed(case)
        elif isinstance(outcome, StoppedError) and case.given_back < _MAX_GIVEN_BACK:
            case.given_back += 1
            self._submit_again(case)
        elif is_cancelled or self._client.status != "running":
            self._give_up("The scheduler is gone.")
        elif isinstance(outcome, ImportError):
            why = printable(str(outcome), 200)
            raise UsageError(f"--scheduler: a worker has not what it needs of harness: {why}")
        elif isinstance(outcome, BaseException) and not _is_of_dask(outcome):
            self._keep(fault_row(case.planned, as_fault(outcome), case.worker, max(1, case.begun)))
        else:
            self._add_lost(case, f"The worker failed: {printable(repr(outcome), 300)}")

    def _take_killed(self, case: _Case) -> None:
        """Take an image that dask gave up because too many workers died while they had it.

        The image is not at fault if no worker began it; and another image on the same worker may
        be: then it is tried once more on a worker for itself.
        """
        if not case.begun and case.given_back < _MAX_GIVEN_BACK:
            case.given_back += 1
            self._submit_again(case)
        elif case.slots > 1 and not case.alone:
            case.alone = True
            self._submit_again(case)
        else:
            last = f", the last time {case.worker}" if case.worker else ""
            self._add_lost(
                case, f"The worker died while it tried this image, again and again{last}."
            )

    def _submit_again(self, case: _Case) -> None:
        _log.info("%s: given back by the worker %s, and tried again", case.name, case.worker)
        self._waiting.append(case)
        self._tell(PhaseChange(case.name, "waiting"))

    def _take(self, case: _Case, answer: Mapping[str, Any]) -> None:
        worker, version = (
            printable(str(answer.get("worker"))),
            printable(str(answer.get("version"))),
        )
        if version != __version__:
            raise UsageError(
                f"--scheduler: the worker {worker} has harness {version}, this is {__version__}: "
                "install the same everywhere."
            )
        run_dir = self._folder.run_dir(case.name)
        try:
            row = CaseRow.model_validate_json(answer["row"])
            unpack(answer["files"], self._folder.path / RUNS, case.name)
        except (ValidationError, ParcelError, KeyError, TypeError, AttributeError) as error:
            why = printable(str(error), 200)
            self._add_lost(case, f"What the worker {worker} sent cannot be used: {why}")
            return
        if (run_dir / RESULT_FILE).exists():
            # The run folder has another place now.
            text = row.result.model_copy(update={"run_dir": str(run_dir)}).to_json()
            (run_dir / RESULT_FILE).write_text(text + "\n", encoding="utf-8")
        self._keep(row.model_copy(update={"name": case.name, "worker": worker}))

    def _add_lost(self, case: _Case, statement: str) -> None:
        _log.info("%s: %s", case.name, statement)
        error = WorkerLostError(statement)
        self._keep(fault_row(case.planned, error, case.worker, max(1, case.begun)))

    def _give_up(self, statement: str) -> None:
        self._waiting.clear()
        for case in tuple(self._left.values()):
            self._add_lost(case, statement)

    def _keep(self, row: CaseRow) -> None:
        del self._left[row.name]
        self._folder.add(row)
        self._tell(row)

"""The scheduler of many machines: images are tried by workers of dask.distributed.

Dask knows which worker is there and what it has room for, and gives an image to another worker
when one dies. How often that may be, and that each image ends once, is decided here.
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
from harness.matrix.attempt import Options, fault_row
from harness.matrix.catalog import Planned
from harness.matrix.folder import MatrixFolder
from harness.matrix.having import StoppedError
from harness.matrix.inbox import Inbox
from harness.matrix.parcel import ParcelError, unpack
from harness.matrix.progress import Moved, Teller
from harness.matrix.record import RUNS, Tried
from harness.matrix.remote import RESOURCE, Order
from harness.matrix.roll import Patience, Roll, Workers, call_roll
from harness.matrix.stop import Stop
from harness.trial.result import RESULT_FILE

if TYPE_CHECKING:
    from distributed import Client, Future

_log = logging.getLogger(__name__)

_PATIENCE = Patience()
# How often the patience is looked at.
_TICK_S = 1.0
# How often an image is begun anew that workers gave back: they were shut down, or never began it.
_MAX_GIVEN_BACK = 5


def run_cluster(
    planned: Sequence[Planned],
    options: Options,
    folder: MatrixFolder,
    address: str,
    *,
    stop: Stop,
    tell: Teller,
    fail_fast: bool = False,
    patience: Patience = _PATIENCE,
) -> None:
    """Try every image on the workers of the scheduler at ``address``; ``folder`` keeps each once.

    Blocks until each image has its row: what no worker could try to its end has one of judgement
    ``error``. ``stop`` ends it before, and so does the first that is not right with ``fail_fast``:
    the workers then end what they are at, and the rest stays untried. Raises UsageError where
    nothing answers, where no worker has the resource ``vm`` from the beginning, and where one has
    another harness; OSError where nothing can be kept.
    """

    def told(what: Moved | Tried) -> None:
        tell(what)
        if fail_fast and isinstance(what, Tried) and what.judgement != "right":
            stop.set()

    client = _connect(address, patience)
    try:
        matrix = _Matrix(client, planned, options, folder, Roll(address, patience), stop, told)
        matrix.run()
    finally:
        # The scheduler forgets what this client wanted, and the workers see that.
        client.close(timeout=5)


def _connect(address: str, patience: Patience) -> Client:
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError(
            "--scheduler: needs dask.distributed: pip install 'harness[cluster]'"
        ) from error
    # It says on stderr, with tracebacks, what is said here in a sentence.
    for name in ("distributed", "distributed.client", "distributed.core", "distributed.comm"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    answers: queue.SimpleQueue[Client | Exception] = queue.SimpleQueue()

    def connect() -> None:
        try:
            answers.put(Client(address, timeout=patience.connect_s, set_as_default=False))
        except Exception as error:
            answers.put(error)

    # Dask's own limit is for the connection; somebody who takes it and is mute keeps it waiting.
    threading.Thread(target=connect, name="connect", daemon=True).start()
    try:
        answer = answers.get(timeout=patience.connect_s + 1)
    except queue.Empty:
        answer = TimeoutError(f"nothing was said for {patience.connect_s:g} s")
    if isinstance(answer, Exception):
        # It names the object that failed to connect first.
        said = re.sub(r"^in <[^>]*>: ", "", str(answer.__cause__ or answer))
        why = printable(said, 200) or type(answer).__name__
        raise UsageError(f"--scheduler {address}: no scheduler of dask answers: {why}")
    return answer


def _is_of_dask(error: BaseException) -> bool:
    """Whether ``error`` is about the way to a worker, and not of what was called there."""
    of_dask = type(error).__module__.partition(".")[0] in ("distributed", "dask", "tornado")
    return of_dask or isinstance(error, (OSError, TimeoutError, HarnessError))


def _call() -> Callable[[str, bytes], dict[str, Any]]:
    """What is sent to be called: local, so that it is sent as code and not by its name.

    A scheduler then needs no harness, and a worker that has none says so and lives on.
    """

    def call(version: str, order: bytes) -> dict[str, Any]:
        from harness.matrix.remote import try_image

        return try_image(version, order)

    return call


@dataclass(slots=True)
class _Case:
    """An image on its way.

    ``begun`` is how often a worker began it since it was last handed out. ``slots`` is what that
    worker has room for, ``worker`` its name. ``alone``: it is to have a worker for itself.
    """

    planned: Planned
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
        planned: Sequence[Planned],
        options: Options,
        folder: MatrixFolder,
        roll: Roll,
        stop: Stop,
        tell: Teller,
    ) -> None:
        self._client, self._options, self._folder = client, options, folder
        self._roll, self._stop, self._tell = roll, stop, tell
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
        """Until each image has its row, or the wish to stop comes."""
        over = threading.Event()
        for case in self._waiting:
            self._tell(Moved(case.name, "waiting"))
        self._client.subscribe_topic(self._topic, self._on_event)
        call_roll(self._client, lambda found: self._inbox.put(partial(self._counted, found)), over)
        try:
            while self._left and not self._stop.is_set:
                self._hand_out()
                for act in self._inbox.wait(self._stop, _TICK_S):
                    act()
                missing = self._roll.missing()
                if missing:
                    self._give_up(missing)
        finally:
            over.set()

    # These two are called by threads of dask.

    def _on_event(self, event: tuple[float, Any]) -> None:
        self._inbox.put(partial(self._moved, event[1]))

    def _collect(self, case: _Case, future: Future[dict[str, Any]]) -> None:
        """Fetch what came of an image. Where its worker died by now, dask has it tried again."""

        def fetch() -> None:
            outcome: object
            try:
                outcome = future.result()
            except BaseException as error:
                # Handed on: it may be a cancellation.
                outcome = error
            self._inbox.put(partial(self._ended, case, future, outcome))

        threading.Thread(target=fetch, name=f"collect {case.name}", daemon=True).start()

    # All others by the thread of run().

    def _hand_out(self) -> None:
        """Submit as many images as there is room for: none waits at a worker that is busy."""
        while self._waiting and len(self._left) - len(self._waiting) < max(1, self._roll.slots):
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

    def _moved(self, message: Mapping[str, Any]) -> None:
        case = self._left.get(str(message.get("name")))
        if case is None:
            return
        worker, phase = printable(str(message["worker"])), printable(str(message["phase"]))
        _log.debug("%s: %s at the worker %s", case.name, phase, worker)
        if "slots" in message:
            case.begun += 1
            case.slots, case.worker = int(message["slots"]), worker
            self._roll.began(case.slots)
        self._tell(Moved(case.name, phase, worker))

    def _counted(self, workers: Workers) -> None:
        had_slots = self._roll.slots
        self._roll.count(workers)
        if had_slots and not self._roll.slots:
            for case in self._left.values():
                self._tell(Moved(case.name, "waiting for a worker"))

    def _ended(self, case: _Case, future: Future[dict[str, Any]], outcome: object) -> None:
        """A worker is done with an image, or has failed at it."""
        from distributed import KilledWorker

        if case.future is not future or case.name not in self._left:
            return
        is_cancelled = future.cancelled()
        # At once: what only lies on a worker that dies later would be tried again.
        case.future = None
        future.release()
        if isinstance(outcome, dict):
            self._take(case, outcome)
        elif isinstance(outcome, KilledWorker):
            self._killed(case)
        elif isinstance(outcome, StoppedError) and case.given_back < _MAX_GIVEN_BACK:
            case.given_back += 1
            self._again(case)
        elif is_cancelled or self._client.status != "running":
            self._give_up("The scheduler is gone.")
        elif isinstance(outcome, ImportError):
            why = printable(str(outcome), 200)
            raise UsageError(f"--scheduler: a worker has not what it needs of harness: {why}")
        elif isinstance(outcome, BaseException) and not _is_of_dask(outcome):
            self._keep(fault_row(case.planned, as_fault(outcome), case.worker, max(1, case.begun)))
        else:
            self._lost(case, f"The worker failed: {printable(repr(outcome), 300)}")

    def _killed(self, case: _Case) -> None:
        """So many workers died with an image that dask gives it up: it may not be at fault.

        It is not where it was not begun, and maybe another one beside it is: such a one is tried
        once more on a worker for itself.
        """
        if not case.begun and case.given_back < _MAX_GIVEN_BACK:
            case.given_back += 1
            self._again(case)
        elif case.slots > 1 and not case.alone:
            case.alone = True
            self._again(case)
        else:
            last = f", the last time {case.worker}" if case.worker else ""
            self._lost(case, f"The worker died while it tried this image, again and again{last}.")

    def _again(self, case: _Case) -> None:
        _log.info("%s: given back by the worker %s, and tried again", case.name, case.worker)
        self._waiting.append(case)
        self._tell(Moved(case.name, "waiting"))

    def _take(self, case: _Case, said: Mapping[str, Any]) -> None:
        worker, version = printable(str(said.get("worker"))), printable(str(said.get("version")))
        if version != __version__:
            raise UsageError(
                f"--scheduler: the worker {worker} has harness {version}, this is {__version__}: "
                "install the same everywhere."
            )
        run_dir = self._folder.run_dir(case.name)
        try:
            row = Tried.model_validate_json(said["row"])
            unpack(said["files"], self._folder.path / RUNS, case.name)
        except (ValidationError, ParcelError, KeyError, TypeError, AttributeError) as error:
            why = printable(str(error), 200)
            self._lost(case, f"What the worker {worker} sent cannot be used: {why}")
            return
        if (run_dir / RESULT_FILE).exists():
            # The run folder has another place now.
            text = row.result.model_copy(update={"run_dir": str(run_dir)}).to_json()
            (run_dir / RESULT_FILE).write_text(text + "\n", encoding="utf-8")
        self._keep(row.model_copy(update={"name": case.name, "worker": worker}))

    def _lost(self, case: _Case, statement: str) -> None:
        _log.info("%s: %s", case.name, statement)
        error = WorkerLostError(statement)
        self._keep(fault_row(case.planned, error, case.worker, max(1, case.begun)))

    def _give_up(self, statement: str) -> None:
        self._waiting.clear()
        for case in tuple(self._left.values()):
            self._lost(case, statement)

    def _keep(self, row: Tried) -> None:
        del self._left[row.name]
        self._folder.add(row)
        self._tell(row)

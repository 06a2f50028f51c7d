"""The work of a worker of a cluster: it tries one image in a scratch folder and sends the row.

Dask calls it in a thread of the worker. When the worker dies, all that it has started dies, too:
each program is tied to the thread or process that started it (prctl(2), PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import os
import pickle
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import ReadFailedError, RecipeFailedError
from harness.host.bugs import as_fault
from harness.host.scratch import scratch_folder
from harness.matrix.acquire import StoppedError
from harness.matrix.attempt import Options, attempt, fault_row
from harness.matrix.capacity import write_limit_bytes
from harness.matrix.catalog import PlannedCase
from harness.matrix.parcel import pack
from harness.matrix.progress import PhaseChange
from harness.matrix.record import RUNS, CaseRow
from harness.matrix.stop import Stop

if TYPE_CHECKING:
    from dask.typing import Key
    from distributed import Worker

RESOURCE = "vm"
"""The resource of a dask worker: the number of machines that it may run in parallel."""

RECIPES_ENV = "HARNESS_RECIPES"
"""The environment variable of a worker for its own folder to build recipes in."""

# How often a worker checks that the image that it tries is still wanted.
_WANTED_S = 0.5


@dataclass(frozen=True, slots=True)
class Order:
    """An image for a worker to try. ``rules`` are name and text of the user's own tables."""

    planned: PlannedCase
    options: Options
    rules: tuple[tuple[str, str], ...]
    topic: str


def try_image(version: str, order: bytes) -> dict[str, Any]:
    """Carry out a pickled Order; return ``row`` (JSON), ``files`` and the ``version`` of harness.

    An order of another ``version`` is not opened, and has no row. Raises StoppedError if the
    scheduler no longer wants it.
    """
    from distributed import get_worker

    worker = get_worker()
    answer: dict[str, Any] = {"version": __version__, "worker": str(worker.name)}
    if version != __version__:
        return answer
    opened = pickle.loads(order)  # noqa: S301  a client of a dask worker can run anything
    tried, files = _try(opened, worker)
    return {**answer, "row": tried.model_dump_json(by_alias=True), "files": files}


def _try(order: Order, worker: Worker) -> tuple[CaseRow, dict[str, bytes]]:
    name, machine = order.planned.entry.name, str(worker.name)
    slots = max(1, int(worker.state.total_resources.get(RESOURCE, 1)))

    def tell(what: PhaseChange | CaseRow) -> None:
        if isinstance(what, PhaseChange):
            worker.log_event(order.topic, {"name": name, "phase": what.phase, "worker": machine})

    begun = {"name": name, "phase": "starting", "worker": machine, "slots": slots}
    worker.log_event(order.topic, begun)
    try:
        planned = _at_home(order.planned, machine)
        with scratch_folder() as scratch, _while_wanted(worker) as stop:
            options = _options(order, scratch, slots, machine)
            tried = attempt(planned, options, scratch / RUNS / name, stop, tell)
            return tried, pack(scratch / RUNS)
    except StoppedError:
        raise
    except Exception as error:
        return fault_row(order.planned, as_fault(error), machine), {}


def _at_home(planned: PlannedCase, machine: str) -> PlannedCase:
    """Return the case with the folders of this machine; raises HostError if one is missing."""
    entry, recipes = planned.entry, planned.recipes
    if entry.file and not (planned.folder / entry.file).is_file():
        path = planned.folder / entry.file
        raise ReadFailedError(
            f"The worker {machine} has no file {path}.",
            "Name the image by its url, or put it there under the same path on every worker.",
        )
    if not entry.recipe or recipes is None:
        return planned
    own = os.environ.get(RECIPES_ENV)
    folder = Path(own) if own else planned.folder / recipes.folder
    if not folder.is_dir():
        raise RecipeFailedError(
            f"The worker {machine} has no folder {folder} to build the recipe {entry.recipe} in.",
            f"Set {RECIPES_ENV} on the worker to the folder in which recipes are built there.",
        )
    return replace(planned, folder=folder, recipes=recipes.model_copy(update={"folder": "."}))


def _options(order: Order, scratch: Path, slots: int, machine: str) -> Options:
    """Return the options of the order for this machine: its write limit, and its files of rules."""
    folder = scratch / "rules"
    folder.mkdir()
    rules = []
    for number, (name, text) in enumerate(order.rules):
        rules.append(folder / f"{number}-{Path(name).name}")
        rules[-1].write_text(text, encoding="utf-8")
    free_bytes = shutil.disk_usage(scratch).free
    limit_bytes = write_limit_bytes(free_bytes, slots)
    return replace(order.options, rules=tuple(rules), worker=machine, write_limit_bytes=limit_bytes)


@contextmanager
def _while_wanted(worker: Worker) -> Iterator[Stop]:
    """Yield a Stop that is set once the task is no longer wanted: dask never ends a running task.

    That is when the client cancels or is gone, and when the scheduler is gone: the worker closes.
    """
    stop, done, key = Stop(), threading.Event(), worker.get_current_task()

    def watch() -> None:
        while not done.wait(_WANTED_S):
            if not _is_wanted(worker, key):
                stop.set()
                return

    thread = threading.Thread(target=watch, name=f"wanted-{key!s}", daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        done.set()
        thread.join()


def _is_wanted(worker: Worker, key: Key) -> bool:
    task = worker.state.tasks.get(key)
    at_work = worker.status.name in ("running", "paused")
    return at_work and task is not None and task.state in ("executing", "long-running")

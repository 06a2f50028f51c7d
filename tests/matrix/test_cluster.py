"""Many machines: a real scheduler and real workers of dask, on loopback.

Most images here are no images at all, so that no machine is needed to say so; what a worker does
for long is the command of a recipe. One test at the end boots.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import harness
import harness.trial.replay
from harness.errors import UsageError
from harness.matrix.attempt import Options
from harness.matrix.catalog import CatalogEntry, Expectation, PlannedCase, Recipes
from harness.matrix.cluster import WaitLimits, run_cluster
from harness.matrix.folder import MatrixFolder, read_matrix
from harness.matrix.progress import PhaseChange
from harness.matrix.record import CaseRow, Matrix
from harness.matrix.stop import Stop
from tests.matrix.dask_programs import (
    ROOT,
    Cluster,
    ended,
    is_alive,
    kill,
    worker_of,
    worker_process,
)
from tests.matrix.slow_images import NO_IMAGE, SLOW, begun, no_image, plan, slow
from tests.processes import machines_of, wait_for
from tests.program import HARNESS

pytestmark = pytest.mark.programs


@pytest.fixture
def cluster(scratch: Path) -> Iterator[Cluster]:
    """A scheduler; the test starts the workers."""
    with ended(Cluster(scratch / "cluster")) as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers, for the tests that do them no harm."""
    with ended(Cluster(tmp_path_factory.mktemp("pair"))) as made:
        made.start()
        made.worker("one", "--no-nanny")
        made.worker("two", "--no-nanny")
        yield made


@dataclass
class Recorded:
    """A matrix in a thread, and what was told of it."""

    path: Path
    told: list[PhaseChange | CaseRow] = field(default_factory=list)
    stop: Stop = field(default_factory=Stop)
    failure: BaseException | None = None
    thread: threading.Thread | None = None

    def start(
        self,
        planned: list[PlannedCase],
        address: str,
        limits: WaitLimits,
        *,
        fail_fast: bool = False,
    ) -> None:
        def run() -> None:
            names = [row.entry.name for row in planned]
            try:
                with MatrixFolder(self.path, names, resume=False) as folder:
                    run_cluster(
                        planned,
                        Options(accel="tcg"),
                        folder,
                        address,
                        stop=self.stop,
                        tell=self.told.append,
                        fail_fast=fail_fast,
                        limits=limits,
                    )
            except BaseException as error:
                self.failure = error

        self.thread = threading.Thread(target=run)
        self.thread.start()

    def wait(self, seconds: float = 60) -> Matrix:
        """The matrix at its end; raises what it raised."""
        assert self.thread
        self.thread.join(seconds)
        assert not self.thread.is_alive(), self.told
        if self.failure:
            raise self.failure
        return read_matrix(self.path)

    @property
    def rows(self) -> list[CaseRow]:
        return [row for row in self.told if isinstance(row, CaseRow)]

    def lines(self) -> int:
        """How many rows the file holds: each image has one."""
        return (self.path / "matrix.jsonl").read_text().count('"judgement"')


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Recorded]]:
    with ExitStack() as ends:

        def begin(
            planned: list[PlannedCase],
            address: str,
            limits: WaitLimits = WaitLimits(),  # noqa: B008  frozen
            *,
            fail_fast: bool = False,
        ) -> Recorded:
            recorded = Recorded(tmp_path / "matrix")
            recorded.start(planned, address, limits, fail_fast=fail_fast)
            ends.callback(recorded.stop.set)
            return recorded

        yield begin


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folder of a catalog."""
    folder = tmp_path / "images"
    folder.mkdir()
    return folder


def test_each_image_ends_once_and_its_evidence_is_here(
    pair: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    slows = [slow(images, name) for name in ("slow-1", "slow-2")]
    matrix = start(
        [*slows, *(no_image(images, f"no-{number}") for number in range(2))], pair.address
    )
    # One machine a worker, and both have one.
    wait_for(lambda: len(begun(images)) == 2)
    assert {worker_of(pid, pair) for pid in begun(images)} == {"one", "two"}
    (images / "slow-1.go").touch()
    (images / "slow-2.go").touch()
    result = matrix.wait()
    assert [row.judgement for row in result.tried] == ["right"] * 4
    assert sorted(row.name for row in matrix.rows) == sorted(row.name for row in result.tried)
    assert matrix.lines() == 4
    assert {row.worker for row in result.tried} == {"one", "two"}
    for row in result.tried:
        run = matrix.path / "runs" / row.name
        assert row.run_dir == f"runs/{row.name}"
        assert harness.trial.replay.replay(run).cause == "format.unsupported"
        assert f'"run_dir": "{run}"' in (run / "result.json").read_text()
    assert {(what.name, what.phase) for what in matrix.told if isinstance(what, PhaseChange)} > {
        ("slow-1", "waiting"),
        ("slow-1", "building"),
        ("no-0", "starting"),
    }
    for name in pair.workers:
        assert not list(pair.scratch(name).glob("harness-*"))


def test_a_worker_dies_and_what_it_was_at_with_it(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--no-nanny")
    cluster.worker("two", "--no-nanny")
    names = ["a", "b", "c"]
    matrix = start([slow(images, name) for name in names], cluster.address)
    wait_for(lambda: len(begun(images)) == 2)
    (victim,) = (pid for pid in begun(images) if worker_of(pid, cluster) == "one")
    lost = begun(images)[victim]
    kill(cluster, "one")
    wait_for(lambda: not is_alive(victim), seconds=5)
    for name in names:
        (images / f"{name}.go").touch()
    result = matrix.wait()
    assert [(row.name, row.judgement) for row in result.tried] == [(n, "right") for n in names]
    assert {row.worker for row in result.tried} == {"two"}
    assert matrix.lines() == 3
    assert list(begun(images).values()).count(lost) == 2


def test_a_nanny_brings_its_worker_back(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--nanny")
    matrix = start([slow(images, "a")], cluster.address)
    wait_for(lambda: len(begun(images)) == 1)
    (first,) = begun(images)
    os.kill(worker_process(first), signal.SIGKILL)
    wait_for(lambda: len(begun(images)) == 2)
    assert not is_alive(first)
    (images / "a.go").touch()
    assert [row.judgement for row in matrix.wait().tried] == ["right"]
    assert matrix.lines() == 1


def test_an_image_that_kills_its_workers_is_given_up_and_harms_no_other(
    tmp_path: Path, images: Path, start: Callable[..., Recorded]
) -> None:
    with ended(Cluster(tmp_path / "cluster")) as cluster:
        cluster.start(allowed_failures=1)
        cluster.worker("one", "--nanny", "--nthreads", "2", resources="vm=2")
        matrix = start([slow(images, "other"), slow(images, "killer")], cluster.address)
        killed: set[int] = set()
        while not any(row.name == "killer" for row in matrix.rows):
            # The other one is at work beside it when it is suspected first.
            beside = len(killed) < 2
            for pid in set(begun(images, "killer")) - killed:
                if beside:
                    wait_for(lambda: any(is_alive(other) for other in begun(images, "other")))
                killed.add(pid)
                os.kill(worker_process(pid), signal.SIGKILL)
            if not beside:
                (images / "other.go").touch()
            time.sleep(0.02)
        rows = {row.name: row for row in matrix.wait(120).tried}
    assert len(killed) == 4
    assert rows["killer"].judgement == "error"
    assert rows["killer"].result.cause == "host.worker-lost"
    assert rows["other"].judgement == "right"
    assert matrix.lines() == 2


def test_a_stop_ends_the_runs_of_the_workers(
    pair: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    matrix = start([slow(images, name) for name in "abc"], pair.address)
    wait_for(lambda: len(begun(images)) == 2)
    matrix.stop.set()
    assert matrix.wait(10).tried == ()
    wait_for(lambda: not any(map(is_alive, begun(images))), seconds=10)
    # Nobody has died of it.
    assert all(worker.poll() is None for worker in pair.workers.values())


def test_a_client_that_is_killed_leaves_nothing_at_work(pair: Cluster, images: Path) -> None:
    client = subprocess.Popen(
        [sys.executable, "-c", _CLIENT, str(images), pair.address],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    wait_for(lambda: len(begun(images)) == 1)
    client.kill()
    client.wait()
    wait_for(lambda: not any(map(is_alive, begun(images))), seconds=10)


_CLIENT = """
import sys
from pathlib import Path
from harness.matrix.attempt import Options
from harness.matrix.cluster import run_cluster
from harness.matrix.folder import MatrixFolder
from harness.matrix.stop import Stop
from tests.matrix.slow_images import slow

images = Path(sys.argv[1])
with MatrixFolder(images / "matrix", ["a"], resume=False) as folder:
    planned = [slow(images, "a")]
    run_cluster(planned, Options(), folder, sys.argv[2], stop=Stop(), tell=lambda _: None)
"""


def test_a_scheduler_that_dies(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--no-nanny")
    matrix = start([slow(images, "a"), slow(images, "b")], cluster.address)
    wait_for(lambda: len(begun(images)) == 1)
    assert cluster.scheduler
    cluster.scheduler.kill()
    result = matrix.wait(20)
    assert [row.result.cause for row in result.tried] == ["host.worker-lost"] * 2
    assert "scheduler" in result.tried[0].result.findings[0].statement
    wait_for(lambda: not any(map(is_alive, begun(images))), seconds=10)


def test_a_scheduler_that_says_nothing_more(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--no-nanny")
    matrix = start([slow(images, "a")], cluster.address, WaitLimits(silence_s=2))
    wait_for(lambda: len(begun(images)) == 1)
    assert cluster.scheduler
    cluster.scheduler.send_signal(signal.SIGSTOP)
    result = matrix.wait(30)
    assert result.tried[0].result.findings[0].statement.endswith("said nothing for 2 s.")


def test_no_worker_comes_back(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--no-nanny")
    matrix = start([slow(images, "a"), slow(images, "b")], cluster.address, WaitLimits(workers_s=8))
    wait_for(lambda: len(begun(images)) == 1)
    kill(cluster, "one")
    result = matrix.wait(30)
    assert [row.result.cause for row in result.tried] == ["host.worker-lost"] * 2
    assert ("a", "waiting for a worker") in {
        (what.name, what.phase) for what in matrix.told if isinstance(what, PhaseChange)
    }


def test_a_worker_that_is_told_to_end_gives_its_image_back(
    cluster: Cluster, images: Path, start: Callable[..., Recorded]
) -> None:
    cluster.worker("one", "--no-nanny")
    matrix = start([slow(images, "a")], cluster.address)
    wait_for(lambda: len(begun(images)) == 1)
    cluster.workers["one"].terminate()
    cluster.worker("two", "--no-nanny")
    wait_for(lambda: len(begun(images)) == 2)
    (images / "a.go").touch()
    assert [(row.judgement, row.worker) for row in matrix.wait().tried] == [("right", "two")]


@pytest.mark.parametrize(
    ("resources", "said"), [("", "none with the resource vm"), (None, "no worker has come in 1 s")]
)
def test_workers_that_cannot_run_machines(
    cluster: Cluster, images: Path, start: Callable[..., Recorded], resources: str | None, said: str
) -> None:
    if resources is not None:
        cluster.worker("one", "--no-nanny", resources=resources)
        wait_for(lambda: "registered" in (cluster.folder / "one.log").read_text().lower())
    limits = WaitLimits(workers_s=1 if resources is None else 600, resource_s=1)
    matrix = start([no_image(images, "a")], cluster.address, limits)
    with pytest.raises(UsageError, match=said):
        matrix.wait(30)


def test_another_version_on_a_worker(
    cluster: Cluster, tmp_path: Path, images: Path, start: Callable[..., Recorded]
) -> None:
    other = tmp_path / "other" / "harness"
    shutil.copytree(ROOT / "harness", other, ignore=shutil.ignore_patterns("__pycache__"))
    (other / "__init__.py").write_text('__version__ = "99.9"\n')
    cluster.worker("old", "--no-nanny", PYTHONPATH=str(other.parent))
    matrix = start([no_image(images, "a")], cluster.address)
    with pytest.raises(UsageError, match=r"worker old has harness 99\.9, this is "):
        matrix.wait(30)


def test_no_harness_on_a_worker_and_on_the_scheduler(
    tmp_path: Path, images: Path, start: Callable[..., Recorded]
) -> None:
    without = tmp_path / "without" / "harness"
    without.mkdir(parents=True)
    (without / "__init__.py").write_text("raise ImportError('there is no harness here')\n")
    with ended(Cluster(tmp_path / "cluster")) as cluster:
        cluster.start(PYTHONPATH=str(without.parent))
        bare = cluster.worker("bare", "--no-nanny", PYTHONPATH=str(without.parent))
        matrix = start([no_image(images, "a")], cluster.address)
        with pytest.raises(UsageError, match="there is no harness here"):
            matrix.wait(30)
        assert bare.poll() is None
        kill(cluster, "bare")
        cluster.worker("one", "--no-nanny")
        again = Recorded(tmp_path / "again")
        again.start([no_image(images, "a")], cluster.address, WaitLimits())
        assert [row.judgement for row in again.wait(60).tried] == ["right"]


def test_a_file_that_the_worker_does_not_have_is_an_error(
    cluster: Cluster, images: Path, start: Callable[..., Recorded], tmp_path: Path
) -> None:
    cluster.worker("one", "--no-nanny", HARNESS_RECIPES=str(tmp_path / "nowhere"))
    missing = plan(images, CatalogEntry(name="missing", file="missing.img"))
    matrix = start([missing, slow(images, "a")], cluster.address).wait(30)
    said = {row.name: row.result.findings[0] for row in matrix.tried}
    assert said["missing"].statement == f"The worker one has no file {images / 'missing.img'}."
    assert f"has no folder {tmp_path / 'nowhere'}" in said["a"].statement
    assert [row.judgement for row in matrix.tried] == ["error", "error"]


def test_recipes_are_built_in_the_workers_own_folder(
    cluster: Cluster, images: Path, start: Callable[..., Recorded], tmp_path: Path
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "make.py").write_text("print('made.img')")
    (own / "made.img").write_bytes(b"KDMV" + bytes(4096))
    cluster.worker("one", "--no-nanny", HARNESS_RECIPES=str(own))
    entry = CatalogEntry(name="a", recipe="a", expected=NO_IMAGE, why="it is a VMDK")
    planned = PlannedCase(entry, "test.toml", images, Recipes(command=("python", "make.py")))
    assert [row.judgement for row in start([planned], cluster.address).wait(30).tried] == ["right"]


def test_fail_fast(pair: Cluster, images: Path, start: Callable[..., Recorded]) -> None:
    wrong = plan(images, no_image(images, "a").entry.model_copy(update={"expected": Expectation()}))
    matrix = start([wrong, slow(images, "b")], pair.address, fail_fast=True)
    assert [row.judgement for row in matrix.wait(30).tried] == ["wrong"]
    wait_for(lambda: not any(map(is_alive, begun(images))), seconds=10)


def test_the_program_sends_images_to_a_cluster_until_it_is_interrupted(
    pair: Cluster, images: Path, tmp_path: Path
) -> None:
    no_image(images, "a")
    slow(images, "b")
    catalog = tmp_path / "images.toml"
    catalog.write_text(f"""
        [recipes]
        command = ["python", "{SLOW}", "{images}"]
        [[image]]
        name = "a"
        file = "{images}/a.img"
        why = "It is a VMDK."
        expected = {{ outcome = "fail", cause = "format.unsupported" }}
        [[image]]
        name = "b"
        recipe = "b"
        """)
    out = tmp_path / "out"
    words = [HARNESS, "matrix", catalog, "--scheduler", pair.address, "--report-dir", out]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: bool(begun(images, "b")))
    wait_for(lambda: len(read_matrix(out).tried) == 1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said
    assert "right  a" in said
    assert read_matrix(out).missing == ("b",)
    wait_for(lambda: not any(map(is_alive, begun(images))), seconds=10)


def test_a_scheduler_that_does_not_answer_is_an_error(
    images: Path, start: Callable[..., Recorded]
) -> None:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{chosen.getsockname()[1]}"
        matrix = start([no_image(images, "a")], address, WaitLimits(connect_s=1))
        with pytest.raises(
            UsageError, match=f"--scheduler {address}: no scheduler of dask answers"
        ):
            matrix.wait(20)


def test_another_server_is_not_a_scheduler(images: Path, start: Callable[..., Recorded]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        matrix = start([no_image(images, "a")], address, WaitLimits(connect_s=1))
        with pytest.raises(UsageError, match="no scheduler of dask answers"):
            matrix.wait(20)


@pytest.mark.parametrize("address", ["nonsense", "http://127.0.0.1:1", "tcp://no host:x"])
def test_an_address_that_is_none_is_an_error(
    images: Path, start: Callable[..., Recorded], address: str
) -> None:
    matrix = start([no_image(images, "a")], address, WaitLimits(connect_s=1))
    with pytest.raises(UsageError, match="no scheduler of dask answers"):
        matrix.wait(20)


def test_without_dask() -> None:
    code = (
        "import sys; sys.modules['distributed'] = None\n"
        "from harness.matrix import cluster\n"
        "cluster._connect('tcp://127.0.0.1:1', cluster.WaitLimits())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip().endswith("pip install 'harness[cluster]'")


@pytest.mark.boot
def test_a_worker_dies_in_the_middle_of_a_boot(
    cluster: Cluster, tiny: Path, tmp_path: Path
) -> None:
    cluster.worker("one", "--no-nanny")
    cluster.worker("two", "--no-nanny")
    names = ["tiny-1", "tiny-2", "tiny-3"]
    catalog, out = tmp_path / "images.toml", tmp_path / "out"
    rows = [f'[[image]]\nname = "{name}"\nfile = "{tiny}"\n' for name in names]
    catalog.write_text("".join(rows))
    # A program of its own: a process in which dask failed to connect before is none to begin with.
    words = [HARNESS, "matrix", catalog, "--accel", "tcg", "--report-dir", out]
    process = subprocess.Popen([*words, "--scheduler", cluster.address])

    def in_its_kernel() -> bool:
        assert process.poll() is None
        logs = cluster.scratch("one").glob("harness-*/runs/*/evidence.jsonl")
        return any("Linux version" in path.read_text() for path in logs)

    wait_for(in_its_kernel, seconds=400)
    assert machines_of(cluster.scratch("one"))
    kill(cluster, "one")
    wait_for(lambda: not machines_of(cluster.scratch("one")), seconds=5)
    assert process.wait(300) == 0
    result = read_matrix(out)
    assert [(row.name, row.judgement) for row in result.tried] == [(n, "right") for n in names]
    assert {row.worker for row in result.tried} == {"two"}
    assert (out / "matrix.jsonl").read_text().count('"judgement"') == 3
    for name in names:
        run = out / "runs" / name
        assert harness.trial.replay.replay(run).outcome == "pass"
        assert list(run.glob("screen-*.png"))
    for name in cluster.workers:
        assert machines_of(cluster.scratch(name)) == []

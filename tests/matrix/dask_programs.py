"""The programs of dask on loopback, each with a folder of its own, and how they are killed."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import harness

DASK = Path(sys.executable).with_name("dask")
ROOT = Path(harness.__file__).parents[1]


@dataclass
class Cluster:
    """Programs of dask, each with a folder of its own; all ended at the end."""

    folder: Path
    address: str = ""
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, allowed_failures: int = 3, **environment: str) -> None:
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{port}"
        allowed = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": str(allowed_failures)}
        words = ["scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
        self.scheduler = self._program("scheduler", words, {**allowed, **environment})

    def worker(
        self, name: str, *options: str, resources: str = "vm=1", **environment: str
    ) -> subprocess.Popen[bytes]:
        words = ["worker", self.address, "--name", name, "--no-dashboard", "--host", "127.0.0.1"]
        words += ["--nthreads", "2", "--local-directory", str(self.scratch(name)), *options]
        words += ["--resources", resources] if resources else []
        self.workers[name] = self._program(name, words, environment)
        return self.workers[name]

    def scratch(self, name: str) -> Path:
        return self.folder / name / "tmp"

    def _program(
        self, name: str, words: list[str], environment: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        self.scratch(name).mkdir(parents=True, exist_ok=True)
        paths = {"PYTHONPATH": str(ROOT), "TMPDIR": str(self.scratch(name))}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(
                [str(DASK), *words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **paths, **environment},
                cwd=self.folder,
            )

    def end(self) -> None:
        for process in (*self.workers.values(), self.scheduler):
            if process:
                process.kill()
                process.wait()


@contextmanager
def ended(cluster: Cluster) -> Iterator[Cluster]:
    cluster.folder.mkdir(exist_ok=True)
    try:
        yield cluster
    finally:
        cluster.end()


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def worker_of(pid: int, cluster: Cluster) -> str:
    """The worker in whose folder the process keeps its files."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    (folder,) = (Path(os.fsdecode(word[7:])) for word in words if word.startswith(b"TMPDIR="))
    return folder.parent.name


def kill(cluster: Cluster, name: str) -> None:
    cluster.workers[name].kill()
    cluster.workers[name].wait()


def worker_process(pid: int) -> int:
    """The parent of a recipe's process: the worker that started it."""
    return int(re.search(r"\nPPid:\t(\d+)", Path(f"/proc/{pid}/status").read_text())[1])  # type: ignore[index]

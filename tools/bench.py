"""The cost of ``harness check``: wall time, peak memory and bytes read, for images of every size.

Each figure is the median of several runs of the whole program, beside that of a program that only
starts (``harness --version``): the difference is the check. Memory is that of the largest process.
The images are sparse, except for the tables and descriptors that are read.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from images.build import build
from tests.server import Sparse, serving

HARNESS = Path(sys.executable).with_name("harness")
RUNS = 7


@dataclass(frozen=True)
class Cost:
    """The medians of the runs of one command."""

    wall_s: float
    peak_mb: float
    bytes_read: int


def measure(*words: object) -> Cost:
    """Run ``harness WORDS`` several times."""
    walls, peaks, bytes_read = [], [], 0
    for _ in range(RUNS):
        started_s = time.perf_counter()
        process = subprocess.Popen(
            [str(word) for word in (HARNESS, *words)], stdout=subprocess.PIPE
        )
        assert process.stdout
        said = process.stdout.read()
        _, _, usage = os.wait4(process.pid, 0)
        walls.append(time.perf_counter() - started_s)
        peaks.append(usage.ru_maxrss / 1024)
        if said.startswith(b"{"):
            bytes_read = json.loads(said)["image"]["bytes_read"]
    return Cost(statistics.median(walls), statistics.median(peaks), bytes_read)


def qcow2(path: Path, size: str, preallocation: str = "off") -> Path:
    """Make a qcow2; with ``metadata`` every cluster is allocated, in a sparse file."""
    options = f"preallocation={preallocation}"
    create = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", options, path, size]
    subprocess.run(create, check=True)
    return path


def iso(path: Path, work: Path) -> Path:
    """Make an installer ISO of 4 GB with as many folders as a real one has."""
    tree = work / "tree"
    for index in range(400):
        (tree / "pool" / f"{index:03}").mkdir(parents=True)
        (tree / "pool" / f"{index:03}" / "package.deb").write_bytes(b"x")
    (tree / "install.amd").mkdir()
    (tree / "install.amd/vmlinuz").write_bytes(b"x")
    (tree / "boot.bin").write_bytes(b"\xfa\xf4" + bytes(2046))
    with (tree / "large").open("wb") as file:
        file.truncate(4_000_000_000)
    words = ["xorriso", "-as", "mkisofs", "-quiet", "-R", "-o", path, "-b", "boot.bin"]
    words += ["-no-emul-boot", "-boot-load-size", "4", tree]
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return path


def main() -> None:
    """Print the table."""
    base = measure("--version")
    rows = [("harness --version", base, base)]
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        work = Path(name)
        images = {
            "qcow2, 100 GB virtual, empty": qcow2(work / "empty.qcow2", "100000000000"),
            "qcow2, 20 GB allocated": qcow2(work / "full.qcow2", "20G", "metadata"),
            "disc, 4 GB": iso(work / "disc.iso", work),
        }
        for title, image in images.items():
            rows.append((title, measure("check", image, "--no-inside", "--json"), base))
        large = qcow2(work / "large.qcow2", "25G", "metadata")
        with serving({"large.qcow2": Sparse(large)}) as server:
            link = server.url("large.qcow2")
            cost = measure("check", link, "--no-inside", "--json")
            rows.append(("qcow2, 25 GB, over HTTP", cost, base))
        debian = build("debian-12")
        rows.append(("Debian 12, and inside", measure("check", debian, "--json"), base))
        with serving({"debian.qcow2": Sparse(debian)}) as server:
            cost = measure("check", server.url("debian.qcow2"), "--json")
            rows.append(("Debian 12, and inside, over HTTP", cost, base))
    title = f"medians of {RUNS} runs"
    print(f"{title:34} {'wall':>8} {'+':>8} {'memory':>9} {'+':>9} {'read':>11}")
    for title, cost, start in rows:
        more_s, more_mb = cost.wall_s - start.wall_s, cost.peak_mb - start.peak_mb
        print(
            f"{title:34} {cost.wall_s:6.2f} s {more_s:6.2f} s {cost.peak_mb:6.1f} MB "
            f"{more_mb:6.1f} MB {cost.bytes_read / 1000:8.1f} kB"
        )


if __name__ == "__main__":
    main()

"""Matrices that boot: a failure of one image does not affect another."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from harness.matrix.attempt import Options, attempt
from harness.matrix.catalog import CatalogEntry, PlannedCase, load_catalogs
from harness.matrix.folder import read_matrix
from harness.matrix.progress import PhaseChange
from harness.matrix.record import CaseRow, Matrix
from tests.processes import machines_of, wait_for
from tests.program import HARNESS

pytestmark = pytest.mark.boot


def catalog(folder: Path, image: Path, *names: str) -> Path:
    path = folder / "images.toml"
    rows = [f'[[image]]\nname = "{name}"\nfile = "{image}"\n' for name in names]
    path.write_text("".join(rows))
    return path


def qemu_of(run_dir: Path) -> int | None:
    """The process of the machine whose run is kept in ``run_dir``."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if words.startswith(b"/usr/bin/qemu-system") and f"{run_dir}/".encode() in words:
            return int(folder.name)
    return None


def start(folder: Path, scratch: Path, path: Path, *words: str) -> subprocess.Popen[bytes]:
    command = [HARNESS, "matrix", path, "--accel", "tcg", "--report-dir", folder / "out", *words]
    env = {**os.environ, "TMPDIR": str(scratch)}
    return subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)


def rows_of(came: Matrix) -> dict[str, tuple[str, str | None]]:
    return {row.name: (row.judgement, row.result.cause) for row in came.tried}


def test_a_machine_that_crashes_is_the_row_of_its_image(
    tmp_path: Path, scratch: Path, tiny: Path
) -> None:
    path = catalog(tmp_path, tiny, "crashes", "boots")
    process = start(tmp_path, scratch, path, "-j", "2")
    run_dir = tmp_path / "out" / "runs" / "crashes"
    wait_for(lambda: qemu_of(run_dir) is not None)
    pid = qemu_of(run_dir)
    assert pid
    os.kill(pid, signal.SIGSEGV)
    assert process.wait(timeout=300) == 4
    came = read_matrix(tmp_path / "out")
    assert rows_of(came) == {"crashes": ("error", "host.qemu-crashed"), "boots": ("right", None)}
    assert (tmp_path / "out" / "report.html").exists()
    assert (tmp_path / "history.sqlite").exists()
    assert list(scratch.iterdir()) == []


def test_a_machine_at_work_is_ended_by_a_signal(tmp_path: Path, scratch: Path, tiny: Path) -> None:
    process = start(tmp_path, scratch, catalog(tmp_path, tiny, "a", "b"), "-j", "1")
    wait_for(lambda: qemu_of(tmp_path / "out" / "runs" / "a") is not None)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert machines_of(scratch) == []
    assert list(scratch.iterdir()) == []
    assert read_matrix(tmp_path / "out").missing == ("a", "b")


def test_an_unchanged_image_is_not_booted_again(tmp_path: Path, scratch: Path, tiny: Path) -> None:
    path = catalog(tmp_path, tiny, "a")
    assert start(tmp_path, scratch, path).wait(timeout=300) == 0
    (tmp_path / "out").rename(tmp_path / "first")
    assert start(tmp_path, scratch, path, "--reuse").wait(timeout=300) == 0
    (row,) = read_matrix(tmp_path / "out").tried
    (first,) = read_matrix(tmp_path / "first").tried
    assert (row.reused, row.run_dir, row.reuse_key) == (True, None, first.reuse_key)
    assert row.result.image.sha256 == first.result.image.sha256
    assert not (tmp_path / "out" / "runs" / "a").exists()


def tried_with(tmp_path: Path, tiny: Path, options: Options, **more: float) -> CaseRow:
    entry = CatalogEntry(name="tiny", file=str(tiny), **more)
    return attempt(PlannedCase(entry, "images.toml", tmp_path, None), options, tmp_path / "run")


def test_a_run_that_writes_too_much_is_ended(tmp_path: Path, tiny: Path) -> None:
    # Less than the overlay of any guest that writes at all.
    tried = tried_with(tmp_path, tiny, Options(accel="tcg", write_limit_bytes=300_000))
    assert (tried.judgement, tried.result.cause) == ("error", "host.no-space")


def test_a_deadline_ends_an_attempt_with_what_is_known(tmp_path: Path, tiny: Path) -> None:
    tried = tried_with(tmp_path, tiny, Options(accel="tcg"), deadline_s=2)
    assert (tried.judgement, tried.result.cause) == ("error", "host.deadline")
    assert tried.run_dir == "runs/tiny"


def test_the_progress_of_an_attempt_is_reported(tmp_path: Path, tiny: Path) -> None:
    (planned,) = load_catalogs([catalog(tmp_path, tiny, "tiny")])
    told: list[str] = []

    def tell(what: PhaseChange | CaseRow) -> None:
        if isinstance(what, PhaseChange):
            told.append(what.phase)

    tried = attempt(planned, Options(accel="tcg"), tmp_path / "run", tell=tell)
    assert tried.judgement == "right"
    assert "kernel" in told
    assert told == list(dict.fromkeys(told))

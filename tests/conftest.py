"""Fixtures that several rooms use: the program itself, and images that recipes build."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from images.build import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser

from tests.program import HARNESS, ProgramRun

pytest_plugins = ["tests.time_limits"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files that the test can look into; its path is short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="scratch-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def program_env(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch), "COLUMNS": "100"}


@pytest.fixture
def verify(tmp_path: Path, scratch: Path, program_env: dict[str, str]) -> Callable[..., ProgramRun]:
    """Run ``harness verify --json`` and wait for it."""

    def run(image: Path | str, *options: str) -> ProgramRun:
        run_dir = tmp_path / "run"
        words = [HARNESS, "verify", image, "--json", "--accel", "tcg", "--run-dir", run_dir]
        done = subprocess.run(
            [*words, *options], capture_output=True, text=True, env=program_env, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return ProgramRun(done.returncode, done.stdout, done.stderr, run_dir, scratch)

    return run


@pytest.fixture(scope="session")
def tiny() -> Path:
    return build("tiny")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless, which asks nothing of the internet by itself."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Debian's chromium is not installed")
    options = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=options)
        yield chromium
        chromium.close()


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """A disk of 4 MiB with a partition table."""
    path = tmp_path / "disk.raw"
    with path.open("wb") as file:
        file.truncate(4 << 20)
    subprocess.run(["sfdisk", "-q", path], input="label: dos\n,,83\n", text=True, check=True)
    with path.open("r+b") as file:
        file.seek(2 << 20)
        file.write(b"some data of the disk " * 10_000)
    return path

"""Fixtures that several rooms use: the program itself, and images that recipes build."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from images.build import build

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytest_plugins = ["tests.time_limits"]

HARNESS = Path(sys.executable).with_name("harness")


@dataclass(frozen=True)
class Ran:
    """What a run of the program gave."""

    status: int
    stdout: str
    stderr: str
    run_dir: Path
    scratch: Path

    @property
    def result(self) -> dict[str, Any]:
        return json.loads(self.stdout)

    @property
    def evidence(self) -> list[dict[str, Any]]:
        lines = (self.run_dir / "evidence.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines[1:]]

    def brief(self) -> tuple[str, str | None, str | None]:
        return self.result["outcome"], self.result["stage"], self.result["cause"]


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A folder for temporary files that the test can look into; its path is short, for sockets."""
    with tempfile.TemporaryDirectory(prefix="scratch-", dir="/var/tmp") as folder:
        yield Path(folder)


@pytest.fixture
def program_env(scratch: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(scratch), "COLUMNS": "100"}


@pytest.fixture
def verify(tmp_path: Path, scratch: Path, program_env: dict[str, str]) -> Callable[..., Ran]:
    """Run ``harness verify --json`` and wait for it."""

    def run(image: Path | str, *options: str) -> Ran:
        run_dir = tmp_path / "run"
        words = [HARNESS, "verify", image, "--json", "--accel", "tcg", "--run-dir", run_dir]
        done = subprocess.run(
            [*words, *options], capture_output=True, text=True, env=program_env, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Ran(done.returncode, done.stdout, done.stderr, run_dir, scratch)

    return run


@pytest.fixture(scope="session")
def tiny() -> Path:
    return build("tiny")


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    deadline_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline_s, f"waited for {seconds} s"
        time.sleep(0.05)


def machines_of(scratch: Path) -> list[str]:
    """The command lines of processes of QEMU and of swtpm that use ``scratch``."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        is_ours = b"qemu-system" in words or b"swtpm" in words
        if is_ours and str(scratch).encode() in words:
            found.append(words.replace(b"\0", b" ").decode())
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, headless, which asks nothing of the internet by itself."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Debian's chromium is not installed")
    options = [
        *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=options)
        yield chromium
        chromium.close()

"""The program as a user starts it, and the result of a run."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.cli.main import main
from harness.trial.replay import replay
from tests.processes import machines_of

HARNESS = Path(sys.executable).with_name("harness")


@dataclass(frozen=True)
class ProgramRun:
    """The output and status of a run of the program."""

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


def harness(*words: object, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the program: here, or as a process of its own where its environment is another one."""
    said = [str(HARNESS), *map(str, words)]
    if env is None:
        done = _run_here(said)
    else:
        both = {**os.environ, **env}
        done = subprocess.run(said, capture_output=True, text=True, env=both, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def _run_here(words: list[str]) -> subprocess.CompletedProcess[str]:
    """The same without the time that a process takes to start."""
    stdout, stderr = io.StringIO(), io.StringIO()
    before, handler = sys.argv, signal.getsignal(signal.SIGTERM)
    sys.argv = ["harness", *words[1:]]
    try:
        with redirect_stdout(stdout), redirect_stderr(stderr), pytest.raises(SystemExit) as caught:
            main()
    finally:
        sys.argv = before
        signal.signal(signal.SIGTERM, handler)
    status = caught.value.code
    assert isinstance(status, int)
    return subprocess.CompletedProcess(words, status, stdout.getvalue(), stderr.getvalue())


def is_whole(ran: ProgramRun) -> bool:
    """Nothing is left, and the record alone comes to the same."""
    same = json.loads(replay(ran.run_dir).to_json()) == ran.result
    return same and machines_of(ran.scratch) == [] and list(ran.scratch.iterdir()) == []

"""Programs that exceed their limits."""

from __future__ import annotations

import hashlib
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harness.host.limits import ProgramLimits, TooLongError, run_limited

_LIMITS = ProgramLimits(
    cpu_s=5, wall_s=20.0, memory_bytes=512 << 20, open_files=32, output_bytes=64 << 10
)


def python(code: str, limits: ProgramLimits = _LIMITS) -> tuple[bytes, int]:
    return run_limited([sys.executable, "-c", code], limits, with_stderr=True)


def test_output_and_exit_status_are_returned() -> None:
    assert python("print('yes')") == (b"yes\n", 0)
    assert python("import sys; sys.exit(3)") == (b"", 3)


def test_stdin_is_read_by_the_program() -> None:
    given = bytes(range(256)) * 4096
    command = ["sha256sum"]
    output, status = run_limited(command, _LIMITS, stdin=given)
    assert (output.split()[0].decode(), status) == (hashlib.sha256(given).hexdigest(), 0)
    assert run_limited(command, _LIMITS)[0].split()[0].decode() == hashlib.sha256(b"").hexdigest()


def test_output_is_cut_at_its_limit() -> None:
    output, _ = python("while True: print('x' * 1000)")
    assert _LIMITS.output_bytes <= len(output) < 2 * _LIMITS.output_bytes


def test_memory_is_limited() -> None:
    output, status = python("x = bytes(1 << 30)")
    assert (b"MemoryError" in output, status) == (True, 1)


def test_cpu_time_is_limited() -> None:
    _, status = python("while True: pass", replace(_LIMITS, cpu_s=1))
    assert status == -24  # SIGXCPU


def test_wall_time_is_limited() -> None:
    with pytest.raises(TooLongError):
        python("import time; time.sleep(60)", replace(_LIMITS, wall_s=1.0))


def test_stop_event_ends_the_program() -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    with pytest.raises(TooLongError):
        run_limited(["sleep", "60"], replace(_LIMITS, wall_s=50.0), stop=stop)
    assert stop.is_set()


def test_program_cannot_write_files(tmp_path: Path) -> None:
    target = tmp_path / "file"
    _, status = python(f"import pathlib; pathlib.Path({str(target)!r}).write_text('x')")
    assert status != 0
    assert not target.exists() or target.stat().st_size == 0

"""Programs that end, are late, ignore SIGTERM, and leave children behind."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from harness.matrix.child_process import PYTHON, deadline, run_child
from harness.matrix.stop import Stop
from tests.processes import wait_for


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def script(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "script.py"
    path.write_text(text)
    return [PYTHON, str(path)]


def test_a_program_that_ends(tmp_path: Path) -> None:
    text = "import sys, os; print(os.getcwd()); print('a\\nb', file=sys.stderr); sys.exit(3)"
    child = run_child(script(tmp_path, text), tmp_path, Stop(), deadline(60))
    assert (child.end, child.status) == ("ended", 3)
    assert child.stdout == f"{tmp_path}\n"
    assert child.stderr_lines == ("a", "b")


def test_a_program_that_dies(tmp_path: Path) -> None:
    text = "import os; os.kill(os.getpid(), 9)"
    child = run_child(script(tmp_path, text), tmp_path, Stop(), deadline(60))
    assert (child.end, child.status) == ("ended", -9)


def test_a_late_program_may_clean_up(tmp_path: Path) -> None:
    text = """
import signal, sys, time
def end(*_):
    print("in order")
    sys.exit(5)
signal.signal(signal.SIGTERM, end)
open("ready", "w").close()
time.sleep(600)
"""
    ready = tmp_path / "ready"
    child = run_child(script(tmp_path, text), tmp_path, Stop(), ready.exists)
    assert (child.end, child.status, child.stdout) == ("late", 5, "in order\n")


def test_stopping_does_not_wait_for_a_tick_and_takes_the_children_along(tmp_path: Path) -> None:
    text = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
with open("new", "w") as file:
    file.write(str(child.pid))
import os
os.rename("new", "pid")
time.sleep(600)
"""
    stop = Stop()

    def when_ready() -> None:
        wait_for((tmp_path / "pid").exists)
        stop.set()

    thread = threading.Thread(target=when_ready)
    thread.start()
    child = run_child(script(tmp_path, text), tmp_path, stop, lambda: False)
    thread.join()
    assert (child.end, child.status) == ("stopped", -signal.SIGTERM)
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_a_program_dies_with_whoever_started_it(tmp_path: Path) -> None:
    text = """
import os, time
with open("new", "w") as file:
    file.write(str(os.getpid()))
os.rename("new", "pid")
time.sleep(600)
"""
    words = script(tmp_path, text)
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from pathlib import Path; import sys\n"
            "from harness.matrix.child_process import run_child\n"
            "from harness.matrix.stop import Stop\n"
            "run_child(sys.argv[2:], Path(sys.argv[1]), Stop(), lambda: False)",
            str(tmp_path),
            *words,
        ]
    )
    wait_for((tmp_path / "pid").exists)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    wait_for(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_no_file_gets_larger_than_allowed(tmp_path: Path) -> None:
    text = """
import os
with open("big", "wb", buffering=0) as file:
    try:
        for _ in range(20):
            file.write(bytes(100_000))
    except OSError as error:
        print(os.strerror(error.errno))
"""
    child = run_child(script(tmp_path, text), tmp_path, Stop(), deadline(60), 1_000_000)
    assert child.stdout == "File too large\n"
    assert (tmp_path / "big").stat().st_size == 1_000_000

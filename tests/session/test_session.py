"""The machine of ``harness.open``, as a script has it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path

import pytest

import harness
from harness.errors import HostError, SessionOverError, UsageError
from harness.session import LiveMachine, RefusedError, StageError, StageTimeoutError
from harness.session.loop import LoopThread
from harness.session.serial import SerialText
from harness.trial.replay import replay
from images.build import build
from tests.processes import machines_of, wait_for

PAGE = Path(__file__).parents[2] / "docs/python.md"


@pytest.fixture(autouse=True)
def own_scratch(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(scratch))


def nothing_is_left(scratch: Path) -> bool:
    return machines_of(scratch) == [] and list(scratch.iterdir()) == []


def opened(stack: ExitStack, image: Path, tmp_path: Path, until: str = "network") -> LiveMachine:
    run_dir = tmp_path / "run"
    words = {"accel": "tcg", "run_dir": run_dir, "until": until}
    return stack.enter_context(harness.open(image, **words))


def test_text_of_a_serial_line_is_safe_to_print_and_whole() -> None:
    text = SerialText()
    for chunk in (b"\x1b[31mred\x1b", b"[0m\r\nl\xc3", b"\xb6gin\x07: "):
        text.feed(chunk)
    assert text.text == "red\nl\u00f6gin\u00b7: "
    text.feed(b"x" * 200_000)
    assert text.text.endswith("x\n"), "a line that never ends is ended"
    assert text.text.replace("\n", "") == "redl\u00f6gin\u00b7: " + "x" * 200_000


def test_an_image_that_is_refused_is_not_booted(tmp_path: Path, scratch: Path) -> None:
    image = tmp_path / "cut.qcow2"
    image.write_bytes(b"QFI\xfb\0\0\0\3".ljust(40, b"\0"))
    with pytest.raises(RefusedError) as caught, harness.open(image, run_dir=tmp_path / "run"):
        pass
    assert caught.value.cause == "qcow2.malformed"
    assert str(caught.value) in [row.statement for row in caught.value.findings]
    assert replay(tmp_path / "run").cause == "qcow2.malformed"
    assert nothing_is_left(scratch)


def test_a_file_that_is_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError), harness.open(tmp_path / "missing.qcow2"):
        pass
    with pytest.raises(UsageError), harness.open(tmp_path, provider="nobody"):
        pass
    with pytest.raises(AttributeError, match="close"):
        harness.close  # noqa: B018


@asynccontextmanager
async def held(where: str = "") -> AsyncIterator[int]:
    if where == "begin":
        raise ZeroDivisionError
    yield 5
    if where == "end":
        raise ZeroDivisionError


def test_an_error_in_the_loop_is_raised_for_the_caller() -> None:
    good = LoopThread(held)
    assert good.start() == 5
    assert good.run(lambda: asyncio.sleep(0, "answer")) == "answer"
    good.stop()
    with pytest.raises(SessionOverError, match="session is over"):
        good.run(lambda: asyncio.sleep(0))
    with pytest.raises(ZeroDivisionError):
        LoopThread(lambda: held("begin")).start()
    bad = LoopThread(lambda: held("end"))
    bad.start()
    with pytest.raises(ZeroDivisionError):
        bad.stop()


@pytest.mark.boot
def test_a_machine_lives_past_its_verdict(tiny: Path, tmp_path: Path, scratch: Path) -> None:
    with ExitStack() as stack:
        machine = opened(stack, tiny, tmp_path)
        assert machine.result.outcome == "inconclusive"
        machine.wait_for_stage("network")
        assert machine.result.outcome == "pass"
        machine.wait_for_stage("seed", timeout_s=60)
        assert machine.stage == "seed"
        assert machine.result.stage == "network", "the verdict was reached there"
        said = machine.serial.wait_for(r"^tiny: network (\S+) (\S+)/24$")
        assert said[2] == machine.network.address == "203.0.113.10"
        assert re.fullmatch(r"00:50:56(:[0-9a-f]{2}){3}", machine.network.mac)
        machine.serial.wait_for("tiny: ready")

        # The guest's terminal echoes what is typed.
        machine.serial.write("hello\n")
        assert machine.serial.wait_for("hel+o", timeout_s=20)[0] == "hello"
        with pytest.raises(TimeoutError, match="'hello' did not come"):
            machine.serial.wait_for("hello", timeout_s=0.2)
        assert "Welcome to tiny!\n" in machine.serial.text

        wait_for(lambda: "tiny" in machine.screen_text() or "cdrom" in machine.screen_text())
        picture = machine.screenshot(tmp_path / "now.png")
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert machine.qmp("query-status")["status"] == "running"
        with pytest.raises(UsageError, match="QEMU refuses no-such"):
            machine.qmp("no-such")
        with pytest.raises(StageTimeoutError, match="ready was not reached within") as late:
            machine.wait_for_stage("ready", timeout_s=0.2)
        assert isinstance(late.value, TimeoutError)
        with pytest.raises(UsageError, match="no stage of this image"):
            machine.wait_for_stage("installer")
        # It has no ssh server: the forward takes the connection, and nobody is there.
        with pytest.raises(TimeoutError, match="last attempt to log in"):
            machine.ssh("true", timeout_s=3)
        key = Path(machine.ssh_command[machine.ssh_command.index("-i") + 1])
        assert key.stat().st_mode & 0o777 == 0o600

        machine.power_button()
        machine.reset()
        machine.serial.wait_for("tiny: ready", timeout_s=120)
    assert nothing_is_left(scratch)
    assert not key.exists()
    result = json.loads((machine.run_dir / "result.json").read_text())
    assert (result["outcome"], result["stage"]) == ("pass", "network")
    assert json.loads(replay(machine.run_dir).to_json()) == result
    assert (machine.run_dir / "screen-end.png").exists()
    with pytest.raises(SessionOverError, match="session is over"):
        _ = machine.stage


@pytest.mark.boot
def test_a_failed_boot_is_raised_at_its_verdict_and_can_be_inspected(
    tmp_path: Path, scratch: Path
) -> None:
    image = build("tiny", "tiny.mode=panic")
    with ExitStack() as stack:
        machine = opened(stack, image, tmp_path)
        with pytest.raises(StageError) as caught:
            machine.wait_for_stage("network")
        assert not isinstance(caught.value, TimeoutError)
        assert (caught.value.cause, caught.value.reached) == ("boot.kernel-panic", machine.stage)
        assert str(caught.value) in [row.statement for row in caught.value.findings]
        assert machine.result.cause == "boot.kernel-panic"
        assert "Kernel panic" in machine.serial.text
    assert nothing_is_left(scratch)


@pytest.mark.boot
def test_a_qemu_that_ends_is_a_fault_of_the_host(tiny: Path, tmp_path: Path, scratch: Path) -> None:
    with ExitStack() as stack:
        machine = opened(stack, tiny, tmp_path)
        # It may end before its answer is out.
        with suppress(HostError):
            machine.qmp("quit")
        with pytest.raises(HostError):
            machine.wait_for_stage("network")
        with pytest.raises(HostError, match="QEMU has ended"):
            machine.serial.wait_for("never")
        with pytest.raises(HostError):
            machine.screenshot(tmp_path / "now.png")
    assert nothing_is_left(scratch)
    assert replay(machine.run_dir).cause == "host.qemu-crashed"


def leave_early(image: Path, run_dir: Path) -> None:
    with harness.open(image, accel="tcg", run_dir=run_dir) as machine:
        machine.wait_for_stage("bootloader")
        raise ZeroDivisionError


@pytest.mark.boot
def test_a_session_left_by_an_exception_is_interrupted(
    tiny: Path, tmp_path: Path, scratch: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        leave_early(tiny, tmp_path / "run")
    assert nothing_is_left(scratch)
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert (result["outcome"], result["cause"]) == ("error", "host.interrupted")
    assert json.loads(replay(tmp_path / "run").to_json()) == result


_SCRIPT = """\
import sys, harness
with harness.open(sys.argv[1], accel="tcg", run_dir=sys.argv[2]) as machine:
    print(machine.network.port, flush=True)
    machine.serial.wait_for("never", timeout_s=3600)
"""


@pytest.fixture
def script(tiny: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A program with a machine that waits for what never comes."""
    words = [sys.executable, "-c", _SCRIPT, tiny, tmp_path / "run"]
    with subprocess.Popen(words, stdout=-1, stderr=-1, text=True) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) > 0
        yield process
        process.kill()


@pytest.mark.boot
def test_ctrl_c_ends_the_wait_and_the_machine(
    script: subprocess.Popen[str], tmp_path: Path, scratch: Path
) -> None:
    assert len(machines_of(scratch)) == 1
    script.send_signal(signal.SIGINT)
    _, stderr = script.communicate(timeout=60)
    assert stderr.rstrip().endswith("KeyboardInterrupt")
    assert nothing_is_left(scratch)
    assert replay(tmp_path / "run").cause == "host.interrupted"


@pytest.mark.boot
def test_a_killed_program_takes_its_machine_along(
    script: subprocess.Popen[str], tmp_path: Path, scratch: Path
) -> None:
    assert len(machines_of(scratch)) == 1
    script.kill()
    script.wait(timeout=60)
    wait_for(lambda: machines_of(scratch) == [])


@pytest.mark.boot
def test_the_example_in_the_docs_works(tiny: Path, tmp_path: Path) -> None:
    code = re.search(r"^```python\n(.+?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert code is not None
    (tmp_path / "image.qcow2").symlink_to(tiny)
    (tmp_path / "example.py").write_text(code[1])
    done = subprocess.run(
        [sys.executable, "example.py"],
        cwd=tmp_path,
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *_, last = done.stdout.splitlines()
    assert re.fullmatch(r"pass \d+\.\d+", first)
    assert last == "running"
    assert (tmp_path / "screen.png").exists()
    assert len(list((tmp_path / "state/harness/runs").glob("*-image-*"))) == 1


@pytest.mark.boot
@pytest.mark.nightly
def test_root_can_log_in_to_a_real_system_with_the_key_of_the_session(
    tmp_path: Path, scratch: Path
) -> None:
    with ExitStack() as stack:
        machine = opened(stack, build("debian-12"), tmp_path)
        machine.wait_for_stage("network")
        status, stdout, stderr = machine.ssh("id -un; echo aside >&2; exit 3", timeout_s=300)
        assert (status, stdout, stderr) == (3, "root\n", "aside\n")
        told = subprocess.run(
            [*machine.ssh_command, "hostname"], capture_output=True, text=True, timeout=120
        )
        assert told.stdout == "harness\n", told.stderr
        with pytest.raises(TimeoutError, match="'sleep 600' did not end"):
            machine.ssh("sleep 600", timeout_s=5)
        machine.wait_for_stage("ready", timeout_s=300)
        machine.power_button()
        wait_for(lambda: machine.qmp("query-status")["status"] == "shutdown", seconds=180)
    assert nothing_is_left(scratch)
    assert replay(machine.run_dir).outcome == "pass"

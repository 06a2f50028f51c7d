"""A person at a machine that really runs."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.console.station import Station, open_station
from harness.console.terminal import ConsoleApp
from harness.console.view import View
from harness.errors import StateError, UsageError
from harness.examine.image_report import examine
from harness.machine.acceleration import choose_acceleration
from harness.machine.qemu import ProcessMachine
from harness.provider.profile import load_profile
from harness.trial.replay import replay
from harness.trial.request import Case
from images.build import build
from tests.console.pseudo_terminal import SIZE, Terminal
from tests.processes import machines_of, wait_for
from tests.program import HARNESS

pytestmark = pytest.mark.boot

PREFIX = b"\x1d"


@pytest.fixture(autouse=True)
def own_scratch(scratch: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(scratch))


class SerialListener:
    """The bytes of the serial line, and a way to wait for a text."""

    def __init__(self, station: Station) -> None:
        self.bytes = bytearray()
        self._more = asyncio.Event()
        station.watch_serial(self._take)

    def _take(self, chunk: bytes) -> None:
        self.bytes += chunk
        self._more.set()

    async def until(self, text: bytes, seconds: float = 180) -> None:
        """Wait for ``text``, and forget all up to its end."""
        async with asyncio.timeout(seconds):
            while text not in self.bytes:
                self._more.clear()
                await self._more.wait()
        del self.bytes[: self.bytes.index(text) + len(text)]


@asynccontextmanager
async def opened(image: Path, folder: Path) -> AsyncIterator[tuple[Station, SerialListener]]:
    profile = load_profile("contabo")
    facts = examine(str(image), profile)
    case = Case(image=facts, profile=profile, run_dir=folder, counterfactual=False)
    async with open_station(case, choose_acceleration("tcg"), vnc=True) as station:
        yield station, SerialListener(station)


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(work())


async def status(station: Station) -> str:
    return json.loads(await station.do("qmp", text="query-status"))["status"]


def test_actions_reach_the_machine_and_are_recorded(
    tiny: Path, tmp_path: Path, scratch: Path
) -> None:
    async def work() -> None:
        async with opened(tiny, tmp_path / "run") as (station, heard):
            await heard.until(b"tiny: ready")
            # The guest's terminal echoes what is typed.
            station.type(b"before")
            await heard.until(b"before")
            assert station.view.keys_typed == 6

            assert await station.do("freeze") == "The machine is frozen."
            assert await status(station) == "paused"
            assert await station.do("continue") == "The machine runs."
            assert await status(station) == "running"

            with pytest.raises(StateError, match="no snapshot"):
                await station.do("roll-back")
            await station.do("snapshot")
            station.type(b"-after")
            await heard.until(b"-after")
            await station.do("roll-back")
            # Its line editor says again what it holds (stty(1), rprnt).
            station.type(b"\x12")
            await heard.until(b"^R")
            station.type(b".\r")
            await heard.until(b".")
            again = bytes(heard.bytes)
            station.type(b"x")
            await heard.until(b"x")
            assert b"after" not in again
            assert await status(station) == "running"

            said = await station.do("screenshot")
            assert said == f"The screen is in {tmp_path / 'run/screen-by-hand-1.png'}."
            assert "cdrom" in "\n".join((await station.read_screen()).lines)
            assert "203.0.113.10" not in await station.do("ssh-command")
            assert station.vnc_socket is not None
            reader, writer = await asyncio.open_unix_connection(station.vnc_socket)
            assert (await reader.read(12)).startswith(b"RFB 003")
            writer.close()
            await station.do("send-key", keys="ctrl-a")
            with pytest.raises(StateError, match="QEMU refuses"):
                await station.do("send-key", keys="nokey")
            with pytest.raises(StateError, match="QEMU refuses no-such"):
                await station.do("qmp", text="no-such")

            assert station.view.stage == "seed"
            await station.do("freeze")
            heard.bytes.clear()
            await station.do("reset")
            stages = {rung.stage for rung in station.view.ladder if rung.at_s is not None}
            assert "kernel" not in stages
            await heard.until(b"tiny: ready")
            assert station.view.stage in ("network", "seed")

        late = View()
        station.watch(late.take)
        assert late.snapshot() == station.view.snapshot()

    run(work)
    picture = tmp_path / "run/screen-by-hand-1.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert replay(tmp_path / "run").outcome == "pass"
    assert machines_of(scratch) == []
    assert list(scratch.iterdir()) == []


def test_swap_boots_another_machine(tiny: Path, tmp_path: Path, scratch: Path) -> None:
    async def work() -> None:
        async with opened(tiny, tmp_path / "run") as (station, heard):
            assert len(machines_of(scratch)) == 1
            said = await station.do("swap", what="firmware", value="uefi")
            assert said == "Another machine boots, with UEFI in place of BIOS."
            (machine,) = machines_of(scratch)
            assert "pflash" in machine
            with pytest.raises(UsageError, match="cannot be swapped"):
                await station.do("swap", what="cpu", value="fast")
            await station.do("swap", what="disk-bus", value="ide")
            (machine,) = machines_of(scratch)
            assert "ide-hd" in machine
            assert "pflash" not in machine, "one thing is changed at a time"
            await heard.until(b"\x1b[H", 120)
            assert [boot.title for boot in station.view.boots] == [
                "",
                "UEFI in place of BIOS",
                "an IDE disk in place of virtio-scsi",
            ]
            assert station.view.state == "running"
            assert isinstance(station.live_run.run.machine, ProcessMachine)
            station.live_run.run.machine.process.kill()
            await station.decided()
            assert station.view.state == "off"
            with pytest.raises(StateError, match="QEMU has ended"):
                await station.do("reset")

    run(work)
    assert replay(tmp_path / "run/swap-2").cause == "host.qemu-crashed"
    assert replay(tmp_path / "run").cause == "host.interrupted"
    assert machines_of(scratch) == []


def test_application_shows_a_live_machine(tiny: Path, tmp_path: Path) -> None:
    async def work() -> None:
        async with opened(tiny, tmp_path / "run") as (station, heard):
            app = ConsoleApp(station)
            async with app.run_test(size=SIZE) as pilot:
                await heard.until(b"tiny: ready")
                await pilot.press(*"hello")
                await heard.until(b"hello")
                while "hello" not in app.serial.terminal.text():
                    await pilot.pause(0.1)
                await pilot.press("ctrl+right_square_bracket", "2")
                page = app.query_one("#screen-text")
                while "cdrom" not in str(page.content):
                    await pilot.pause(0.1)
                await pilot.press("ctrl+right_square_bracket", "f")
                await app.workers.wait_for_complete()
                assert await status(station) == "paused"
                app.refresh_panels()
                assert "frozen" in str(app.query_one("#headline").content)
                assert "contabo will boot this image" in str(app.query_one("#diagnosis").content)
                await pilot.press("ctrl+right_square_bracket", "q")
            assert app.return_value == "end"

    run(work)


def test_a_console_that_is_killed_leaves_no_machine(
    tiny: Path, tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    words = [HARNESS, "console", tiny, "--accel", "tcg", "--run-dir", tmp_path / "run"]
    terminal = Terminal(words, program_env)
    try:
        terminal.read_until(b"running", 120)
        assert len(machines_of(scratch)) == 1
        os.kill(terminal.process.pid, signal.SIGKILL)
        wait_for(lambda: machines_of(scratch) == [], seconds=10)
    finally:
        terminal.close()


def test_a_machine_is_kept_until_it_is_ended(
    tiny: Path, tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    words = [HARNESS, "console", tiny, "--accel", "tcg", "--run-dir", tmp_path / "run"]
    terminal = Terminal(words, program_env)
    try:
        terminal.read_until(b"running", 120)
        terminal.press(PREFIX)
        terminal.press(b"Q")
        terminal.read_until(b"serial.log")
        assert b"ssh -i " in terminal.wrote
        assert len(machines_of(scratch)) == 1
        terminal.process.send_signal(signal.SIGINT)
        assert terminal.wait() == 0
        assert b"shows it again" in terminal.wrote
    finally:
        terminal.close()
    assert machines_of(scratch) == []
    assert list(scratch.iterdir()) == []


def test_a_failed_boot_is_held_for_a_person(
    tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    image = build("tiny", "tiny.mode=panic")
    words = [HARNESS, "verify", image, "--hold-on-fail", "--accel", "tcg"]
    terminal = Terminal([*words, "--run-dir", tmp_path / "run"], program_env)
    try:
        terminal.read_until(b"boot.kernel-panic", 180)
        terminal.read_until(b"frozen")
        assert len(machines_of(scratch)) == 1
        terminal.press(PREFIX)
        terminal.press(b"q")
        assert terminal.wait() == 1
    finally:
        terminal.close()
    assert b"FAIL" in terminal.wrote
    assert replay(tmp_path / "run").cause == "boot.kernel-panic"
    assert machines_of(scratch) == []
    rows = [json.loads(row) for row in (tmp_path / "run/evidence.jsonl").read_text().splitlines()]
    frozen = [row["t_s"] for row in rows if (row.get("name"), row.get("kind")) == ("STOP", "event")]
    verdict_s = json.loads((tmp_path / "run/result.json").read_text())["timings_s"]["verdict"]
    assert frozen
    assert frozen[0] - verdict_s < 5

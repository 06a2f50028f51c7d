"""The terminal application, driven by keys: by Textual's pilot, and at a pseudo-terminal."""

from __future__ import annotations

import asyncio
import re
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from textual.widgets import Input, OptionList, Static

from harness.console.player import Player
from harness.console.tap import SerialTap
from harness.console.terminal import ConsoleApp
from harness.console.view import View
from harness.diagnose.diagnosis import diagnose_each
from harness.errors import UsageError
from harness.evidence import events
from harness.evidence.log import EvidenceLog, Observation
from harness.trial.result import EVIDENCE_FILE
from tests.console.pseudo_terminal import SIZE, Terminal
from tests.program import HARNESS
from tests.recordings import HOSTILE

pytestmark = pytest.mark.programs


class Machine:
    """A machine that only writes down what is done to it, and says what the test has it say."""

    def __init__(self, start: list[Observation]) -> None:
        self.view = View()
        self.tap = SerialTap()
        self.typed = b""
        self.done: list[tuple[str, dict[str, str]]] = []
        self.watch_serial = self.tap.watch
        for row in diagnose_each(start):
            self.view.take(*row)

    def watch(self, _: Callable[[Observation], None]) -> Callable[[], None]:
        return lambda: None

    def now_s(self) -> float:
        return 12.5

    def type(self, keys: bytes) -> None:
        self.typed += keys

    async def do(self, name: str, **arguments: str) -> str:
        self.done.append((name, arguments))
        if name == "roll-back":
            raise UsageError("There is no snapshot to roll back to: take one first.")
        return f"{name} is done."


@pytest.fixture
def machine(start: list[Observation]) -> Machine:
    return Machine(start)


def text_of(app: ConsoleApp, name: str) -> str:
    return str(app.screen_stack[0].query_one(f"#{name}", Static).content)


def on_display(app: ConsoleApp) -> str:
    """Every character of the application, line by line."""
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.text for strip in lines)


def test_every_key_but_the_prefix_reaches_the_guest(machine: Machine) -> None:
    async def drive() -> None:
        app = ConsoleApp(machine)
        async with app.run_test(size=SIZE) as pilot:
            keys = ["l", "s", "enter", "tab", "escape", "up", "f1", "ctrl+c", "ctrl+q", "ctrl+p"]
            await pilot.press(*keys, "1", "q", "space")
            assert machine.typed == b"ls\r\t\x1b\x1b[A\x1bOP\x03\x11\x101q "
            assert app.is_running
            await pilot.press("ctrl+right_square_bracket", "ctrl+right_square_bracket")
            assert machine.typed.endswith(b"q \x1d")
            assert machine.done == []
            await pilot.press("ctrl+right_square_bracket", "q")
        assert app.return_value == "end"

    asyncio.run(drive())


def test_after_the_prefix_a_key_is_an_action(machine: Machine) -> None:
    prefix = "ctrl+right_square_bracket"

    async def drive() -> None:
        app = ConsoleApp(machine)
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press(prefix)
            assert app.query_one("#keys").has_class("waits")
            await pilot.press("f", prefix, "r", prefix, "z", prefix, "l")
            await app.workers.wait_for_complete()
            await pilot.pause()
            assert machine.done == [("freeze", {}), ("reset", {}), ("roll-back", {})]
            assert "no snapshot to roll back to" in text_of(app, "said")
            await pilot.press(prefix, "m")
            await pilot.pause()
            await pilot.press(*"stop", "enter", prefix, "k")
            await pilot.pause()
            assert app.screen.query_one(Input).placeholder.startswith("ret")
            await pilot.press("escape", prefix, "w")
            await pilot.pause()
            assert app.screen.query_one(OptionList).option_count == 9
            await pilot.press("down", "down", "enter")
            await app.workers.wait_for_complete()
            assert machine.done[3:] == [
                ("qmp", {"text": "stop"}),
                ("swap", {"what": "disk-bus", "value": "sata"}),
            ]
            await pilot.press(prefix, "h")
            await app.workers.wait_for_complete()
            assert app.clipboard == "ssh-command is done."
            assert machine.typed == b""
            await pilot.press(prefix, "Q")
        assert app.return_value == "keep"

    asyncio.run(drive())


def test_pages_are_chosen_by_key(machine: Machine) -> None:
    async def drive() -> None:
        app = ConsoleApp(machine)
        async with app.run_test(size=SIZE) as pilot:
            for key, page in (("2", "screen"), ("3", "log"), ("4", "rules"), ("1", "serial")):
                await pilot.press("ctrl+right_square_bracket", key)
                await pilot.pause()
                assert app._tabs.active == page
            await pilot.press("x")
            assert machine.typed == b"x", "the keys are still the guest's"

    asyncio.run(drive())


def test_a_picture_on_the_guests_screen_is_shown_as_one(
    machine: Machine, start: list[Observation], tmp_path: Path
) -> None:
    log = EvidenceLog(tmp_path / EVIDENCE_FILE)
    with log:
        for row in start:
            log.record(row.event)
        log.record(events.Screenshot(file="screen-end.png"))
    picture = Image.new("RGB", (640, 480), "#102030")
    picture.paste("#ffffff", (0, 0, 320, 480))
    picture.save(tmp_path / "screen-end.png")

    async def drive() -> None:
        app = ConsoleApp(Player(tmp_path))
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press("2")
            await pilot.pause()
            app.refresh_panels()
            await pilot.pause()
            pane = app.screen_stack[0].query_one("#screen-picture")
            assert pane.display
            assert pane.size.width > 40
            assert pane.size.height > 10

    asyncio.run(drive())


def test_a_flood_and_hostile_bytes_leave_it_alive(machine: Machine) -> None:
    async def drive() -> None:
        app = ConsoleApp(machine)
        async with app.run_test(size=SIZE) as pilot:
            machine.tap.feed(HOSTILE)
            while app.serial._backlog:
                await pilot.pause(0.05)
            shown = on_display(app)
            assert "red alert" in shown
            assert "[bold]no markup[/bold]" in shown
            assert "\x1b" not in shown
            assert "pwned" not in shown
            for _ in range(160):
                machine.tap.feed(b"x" * (1 << 16))
            assert len(app.serial._backlog) <= 2 << 16
            machine.tap.feed(b"\r\nafter the flood\r\n")
            await pilot.press("a")
            assert machine.typed == b"a"
            while app.serial._backlog:
                await pilot.pause(0.05)
            await pilot.pause()
            shown = on_display(app)
            assert "after the flood" in shown
            assert "kB passed over: all of it is in serial.log" in app.serial.terminal.text()

    asyncio.run(drive())


def test_a_recorded_run_is_played_and_moved(panic_run: Path) -> None:
    async def drive() -> None:
        player = Player(panic_run, lambda: 0.0)
        app = ConsoleApp(player)
        async with app.run_test(size=SIZE) as pilot:
            await pilot.press("end")
            app.refresh_panels()
            assert "FAIL at 22.0 s  boot.kernel-panic" in text_of(app, "diagnosis")
            assert app.query_one("#diagnosis-box").has_class("decided-fail")
            assert re.search("\u25b6 root +21.5 s", text_of(app, "ladder"))
            assert "Kernel panic - not syncing" in text_of(app, "rules-text")
            await pilot.press("home")
            app.refresh_panels()
            assert "Nothing is decided yet" in text_of(app, "diagnosis")
            await pilot.press("right_square_bracket", "right_square_bracket")
            assert player.view.stage == "bootloader"
            await pilot.press("space", "up")
            assert (player.plays, player.speed) == (True, 2.0)
            await pilot.press("space", "g")
            await pilot.pause()
            await pilot.press("down", "down", "down", "enter")
            await pilot.pause()
            assert player.view.stage == "kernel"
            while app.serial._backlog:
                await pilot.pause(0.05)
            assert "Booting `Debian" in app.serial.terminal.text()
            assert "Kernel panic" not in app.serial.terminal.text()
            await pilot.press("q")
        assert app.return_value == "end"

    asyncio.run(drive())


def test_no_byte_of_a_guest_is_written_to_the_terminal(
    hostile_run: Path, program_env: dict[str, str]
) -> None:
    terminal = Terminal([HARNESS, "console", hostile_run], program_env)
    try:
        terminal.read_until(b"the end")
        terminal.read_until(b"no markup")
        terminal.press(b"2")
        terminal.press(b"3")
        terminal.read_until(b"GUEST_PANICKED")
        terminal.press(b"q")
        assert terminal.wait() == 0
        assert termios.tcgetattr(terminal.side) == terminal.before, "the terminal is given back"
    finally:
        terminal.close()
    assert b"\x1b]0;" not in terminal.wrote
    assert b"\x1bP" not in terminal.wrote
    assert b"\x1b]52" not in terminal.wrote
    assert b"\x1b[5n" not in terminal.wrote
    assert b"\x1b[?3h" not in terminal.wrote
    assert "\u202e".encode() not in terminal.wrote
    assert b"\xff" not in terminal.wrote


def test_a_signal_leaves_it_and_gives_the_terminal_back(
    panic_run: Path, program_env: dict[str, str]
) -> None:
    terminal = Terminal([HARNESS, "console", panic_run], program_env)
    try:
        terminal.read_until(b"running")
        terminal.process.terminate()
        assert terminal.wait() == 0
        assert termios.tcgetattr(terminal.side) == terminal.before
        assert b"Traceback" not in terminal.wrote
    finally:
        terminal.close()


@pytest.mark.parametrize("words", [["console"], ["verify", "--hold-on-fail"]], ids=" ".join)
def test_without_a_terminal_it_is_a_usage_error(
    words: list[str], panic_run: Path, program_env: dict[str, str]
) -> None:
    done = subprocess.run(
        [HARNESS, *words, panic_run], capture_output=True, text=True, env=program_env, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs a terminal" in done.stderr
    assert len(done.stderr.splitlines()) == 1

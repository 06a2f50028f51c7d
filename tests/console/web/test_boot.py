"""A real machine in a real browser: typed at, looked at, reset, judged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from images.build import build
from tests.processes import machines_of, wait_for
from tests.program import HARNESS

# Of what a screen shows, one number: another picture has another.
PIXELS = """() => {
    const canvas = document.querySelector("#screen canvas");
    const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.reduce((sum, value, at) => (sum + value * (at % 9973)) % 4294967296, 0);
}"""
BOOT_MS = 1_200_000

pytestmark = pytest.mark.boot


class Program:
    """``harness console --web``, and a page that its link let in."""

    def __init__(self, process: subprocess.Popen[str], page: Page, run_dir: Path) -> None:
        self.process = process
        self.page = page
        self.run_dir = run_dir

    def line(self) -> str:
        return self.page.locator("#serial .xterm-rows").inner_text()

    def says(self, text: str, ms: int = BOOT_MS) -> None:
        rows = self.page.locator("#serial .xterm-rows > div", has_text=text)
        rows.first.wait_for(timeout=ms)

    def type(self, text: str) -> None:
        self.page.locator("#serial textarea").focus()
        self.page.keyboard.type(text)

    def press(self, label: str) -> str:
        """Press the button; what the console says to that."""
        said = self.page.locator("#said")
        before = said.inner_text() if said.is_visible() else ""
        self.page.get_by_role("button", name=label, exact=True).click()
        wait_for(lambda: said.is_visible() and said.inner_text() != before)
        return said.inner_text()


@contextmanager
def served(image: Path, browser: Browser, folder: Path, env: dict[str, str]) -> Iterator[Program]:
    run_dir = folder / "run"
    words = [HARNESS, "console", image, "--web", "--accel", "tcg", "--run-dir", run_dir]
    with subprocess.Popen(words, env=env, stdout=subprocess.PIPE, text=True) as process:
        context = browser.new_context()
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            link = next(found[0] for row in lines if (found := re.search(r"http://\S+", row)))
            page = context.new_page()
            page.goto(link)
            page.locator("#serial .xterm-rows").wait_for()
            yield Program(process, page, run_dir)
        finally:
            context.close()
            process.kill()


def test_person_controls_a_machine_in_the_browser(
    tiny: Path, browser: Browser, tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    with served(tiny, browser, tmp_path, program_env) as program:
        page = program.page
        page.locator("#screen canvas").wait_for()
        before = page.evaluate(PIXELS)
        wait_for(lambda: page.evaluate(PIXELS) != before)
        page.locator("#verdict b.pass").wait_for(timeout=BOOT_MS)
        assert "will boot this image" in page.locator("#verdict").inner_text()
        program.says("tiny: ready")
        # Nobody but the guest's own terminal sends back what is typed.
        program.type("is there anybody\r")
        program.says("is there anybody")
        assert "anybody" in (program.run_dir / "serial.log").read_text(errors="replace")

        booted = page.evaluate(PIXELS)
        assert program.press("Reset") == "The machine starts over."
        wait_for(lambda: page.evaluate(PIXELS) != booted)
        page.locator("#ladder .now", has_text=re.compile("firmware|bootloader|kernel")).wait_for()
        assert page.locator("#verdict b").inner_text().lower() == "pass"

        assert machines_of(scratch)
        os.kill(program.process.pid, signal.SIGKILL)
        wait_for(lambda: not machines_of(scratch), seconds=20)
        page.get_by_text("not connected").first.wait_for()


@pytest.mark.nightly
def test_root_logs_in_at_the_serial_line(
    browser: Browser, tmp_path: Path, scratch: Path, program_env: dict[str, str]
) -> None:
    with served(build("debian-12"), browser, tmp_path, program_env) as program:
        program.page.locator("#ladder .reached", has_text="ready").wait_for(timeout=BOOT_MS)
        said = program.press("Root password")
        password = re.search(r"with (\w+) once", said)
        assert password
        program.type("\r")
        program.says("login:")
        program.type("root\r")
        program.says("Password:")
        program.type(f"{password[1]}\r")
        program.says("root@harness:")
        program.type("echo $((6 * 7))-$(id -un)\r")
        program.says("42-root")
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(60) == 0
        assert not machines_of(scratch)

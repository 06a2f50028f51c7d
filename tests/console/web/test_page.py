"""The page in a real browser, over a machine that is none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from harness.session.loop import LoopThread
from tests.console.web.stand_in import SHOWN, Console, console
from tests.processes import wait_for

pytestmark = pytest.mark.programs

TEN_MB = 10_000_000
HOSTILE = {
    "title": b"\x1b]0;owned\x07\x1b]2;owned\x1b\\",
    "clipboard": b"\x1b]52;c;b3duZWQ=\x07\x1b]52;c;?\x07",
    "link": b"\x1b]8;;http://evil.example/\x07here\x1b]8;;\x07",
    "questions": b"\x1b[c\x1b[>c\x1b[5n\x1b[6n\x1b[?6n\x1b[?1$p\x1b[>q\x1b[18t\x05"
    b"\x1b]10;?\x07\x1bP$qm\x1b\\",
    "window": b"\x1b[3;0;0t\x1b[4;0;0t\x1b[2t\x1b[8;1;1t",
    "not-closed": b"\x1b]0;" + b"A" * 100_000,
    "no-utf-8": bytes(range(128, 256)) * 100,
    "markup": b"<img src=x onerror='document.title=1'><script>document.title=2</script>",
    "one-line": b"x" * TEN_MB,
}


class Here:
    """A console, and pages that were let into it."""

    def __init__(self, thread: LoopThread[Console], browser: Browser) -> None:
        self.thread = thread
        self.console = thread.start()
        self.guest = self.console.guest
        self._browser = browser

    def link(self) -> str:
        async def new() -> str:
            return self.console.served.new_link()

        return self.thread.run(new)

    def say(self, said: bytes) -> None:
        self.thread.run(lambda: self.guest.say(said))

    def page(self, **more: Any) -> Page:
        """A page in a browser of its own, let in by a new link."""
        page = self._browser.new_context(**more).new_page()
        page.goto(self.link())
        page.locator("#serial .xterm-rows").wait_for()
        page.locator("#screen canvas").wait_for()
        page.locator("#ladder li").first.wait_for()
        return page


@pytest.fixture
def here(tmp_path: Path, browser: Browser) -> Iterator[Here]:
    thread = LoopThread(lambda: console(tmp_path, SHOWN))
    inside = Here(thread, browser)
    yield inside
    for context in browser.contexts:
        context.close()
    thread.stop()


def line(page: Page) -> str:
    return page.locator("#serial .xterm-rows").inner_text()


def says(page: Page, text: str) -> None:
    page.locator("#serial .xterm-rows > div", has_text=text).first.wait_for()


def type_on_line(page: Page, text: str) -> None:
    page.locator("#serial textarea").focus()
    page.keyboard.type(text)


def test_the_policy_is_kept(here: Here) -> None:
    page = here._browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(here.link())
    page.locator("#screen canvas").wait_for()
    here.say(b"\x1b[38;2;240;120;40mtrue colour\x1b[0m plain")
    says(page, "true colour")
    colour = "getComputedStyle(document.querySelector('#serial .xterm-rows span')).color"
    assert page.evaluate(colour) == "rgb(240, 120, 40)"
    # The door, without a session, is refused and shown.
    assert said == [
        "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
    ]


def test_the_link_leaves_the_address_and_opens_once(here: Here) -> None:
    link = here.link()
    page = here._browser.new_context().new_page()
    page.goto(link)
    page.locator("#screen canvas").wait_for()
    assert page.url == f"http://{here.console.served.host}/"
    other = here._browser.new_context().new_page()
    other.goto(link)
    other.get_by_text("This link was used").wait_for()
    assert other.locator("#serial").count() == 0
    other.goto(f"http://{here.console.served.host}/")
    other.get_by_text("opens by the link").wait_for()


def test_what_is_typed_reaches_the_guest(here: Here) -> None:
    page = here.page()
    page.get_by_text("You type").wait_for()
    type_on_line(page, "ls é\r")
    wait_for(lambda: here.guest.typed == "ls é\r".encode())
    page.locator("#screen canvas").click()
    page.keyboard.press("a")
    wait_for(lambda: len(here.guest.heard(4)) == 2, seconds=10)


def test_one_types_and_the_other_takes_over(here: Here) -> None:
    first, second = here.page(), here.page()
    second.get_by_text("viewer 1 types").wait_for()
    first.get_by_text("You type, 1 other looks on").wait_for()
    assert second.locator("#actions button").first.is_disabled()
    type_on_line(second, "no")
    second.get_by_role("button", name="Take over").click()
    first.get_by_text("viewer 2 types").wait_for()
    second.get_by_text("You type").wait_for()
    type_on_line(first, "no")
    type_on_line(second, "yes")
    wait_for(lambda: here.guest.typed == b"yes")


def test_buttons_perform_actions(here: Here) -> None:
    page = here.page()
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("reset is done.").wait_for()
    page.get_by_role("button", name="Refused").click()
    page.locator("#said.bad").wait_for()
    page.get_by_role("button", name="Send key").click()
    page.get_by_label("keys").fill("f1")
    page.keyboard.press("Enter")
    page.get_by_text("send-key is done.").wait_for()
    assert here.guest.done == [("reset", {}), ("send-key", {"keys": "f1"})]
    page.get_by_role("button", name="Invite").click()
    page.get_by_text(re.compile(r"^http://127")).wait_for()
    other = here._browser.new_context().new_page()
    other.goto(page.locator("#said").inner_text())
    other.get_by_text("viewer 1 types").wait_for()


@pytest.mark.parametrize("name", HOSTILE)
def test_guest_output_stays_in_the_terminal(here: Here, name: str) -> None:
    page = here.page()
    title = page.title()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    size = page.viewport_size
    here.say(b"\r\n" + HOSTILE[name] + b"\x1b\\\x18\x1b[0m\r\nafter it all\r\n")
    says(page, "after it all")
    if name == "link":
        place = page.locator("#serial .xterm-rows").get_by_text("here").first.bounding_box()
        assert place
        page.mouse.move(place["x"] + 2, place["y"] + 2)
        page.mouse.down()
        page.mouse.up()
    # It still answers, and what is typed is all that the guest gets.
    page.get_by_role("button", name="Reset").click()
    page.get_by_text("reset is done.").wait_for(timeout=5000)
    type_on_line(page, "q")
    wait_for(lambda: here.guest.typed.endswith(b"q"))
    assert here.guest.typed == b"q"
    assert page.title() == title
    assert page.viewport_size == size
    assert page.locator("#serial img").count() == 0
    assert page.evaluate("navigator.clipboard.readText()") == ""
    assert asked == []
    assert len(page.context.pages) == 1


def test_guest_text_is_escaped(here: Here) -> None:
    markup = "<img src=x onerror='document.title=1'>"
    page = here.page()
    page.get_by_text("Nothing is decided yet").wait_for()
    finding = {**SHOWN["findings"][0], "statement": markup}
    here.guest.view.shown = {**SHOWN, "findings": [finding]}
    here.say(b"")
    page.get_by_role("button", name="Reset").click()
    page.get_by_text(markup).wait_for()
    assert page.locator("#findings img").count() == 0


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1280, 800)])
def test_page_fits_the_window(here: Here, width: int, height: int, scheme: Any) -> None:
    page = here.page(viewport={"width": width, "height": height}, color_scheme=scheme)
    page.locator("#ladder li").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", ground))
    assert (brightness > 600) == (scheme == "light")

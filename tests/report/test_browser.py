"""The page in a real browser: the policy holds, the filters work, a phone can read it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from harness.report.html import html_page
from tests.report.samples import HOSTILE, hostile, nightly, serial, write_evidence

pytestmark = pytest.mark.programs

# What somebody would do who got markup past the escaping.
INJECT = """() => {
    const script = document.createElement("script");
    script.textContent = "window.owned = true";
    const part = document.createElement("div");
    part.innerHTML = "<img src='data:,' onerror='window.owned = true'>";
    document.body.append(script, part);
    // After the handler in the markup, which was there first.
    const failed = (done) => part.firstChild.addEventListener("error", done);
    return new Promise(failed).then(() => window.owned === true);
}"""


def opened(browser: Browser, file: Path, fragment: str = "", **more: Any) -> Page:
    page = browser.new_page(**more)
    page.goto(f"{file.as_uri()}{fragment}")
    return page


@pytest.fixture
def report(tmp_path: Path) -> Path:
    file = tmp_path / "report.html"
    file.write_text(html_page(nightly(), tmp_path))
    return file


def names(page: Page) -> list[str]:
    return page.locator(".image:visible .name").all_inner_texts()


def test_hostile_texts_do_not_run(browser: Browser, tmp_path: Path) -> None:
    write_evidence(tmp_path / "run", serial(HOSTILE, HOSTILE))
    file = tmp_path / "report.html"
    file.write_text(html_page(hostile("run"), tmp_path))
    page = opened(browser, file)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")
    assert page.title() == "1 of 4 images are as expected, 2 are not, 1 not tried · harness"
    assert page.locator(".log .l").count() == 2
    assert page.locator("img").count() == 0


def test_the_policy_holds_where_escaping_would_not(browser: Browser, report: Path) -> None:
    assert opened(browser, report).evaluate(INJECT) is False
    # The same without the policy, so that this test is known to see what it looks for.
    text = report.read_text()
    bare = report.with_name("bare.html")
    bare.write_text(re.sub(r"<meta http-equiv=.*\n", "", text))
    assert opened(browser, bare).evaluate(INJECT) is True


def test_the_page_breaks_no_rule_of_its_own(browser: Browser, report: Path) -> None:
    page = browser.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(report.as_uri())
    page.locator(".image summary").first.click()
    assert said == []


def test_filters_hide_other_rows(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    assert names(page) == ["bad", "spoiled", "good", "as-expected"]
    page.get_by_label("Judged").select_option("right")
    assert names(page) == ["good", "as-expected"]
    page.get_by_label("Outcome").select_option("fail")
    assert names(page) == ["as-expected"]
    assert page.locator("output").inner_text() == "1 of 4"
    page.get_by_label("Judged").select_option("")
    page.get_by_label("Outcome").select_option("")
    page.get_by_label("Tag").select_option("debian")
    assert names(page) == ["good", "as-expected"]
    page.get_by_label("Tag").select_option("")
    page.keyboard.press("/")
    page.keyboard.type("Kernel-PANIC bad")
    assert names(page) == ["bad"]
    assert page.locator(".group:visible").count() == 2  # with those that were not tried


def test_page_works_by_keyboard_and_by_link(browser: Browser, report: Path) -> None:
    page = opened(browser, report)
    page.locator(".image summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator(".image[open] .verdict").inner_text() == "The kernel panicked."
    page = opened(browser, report)
    page.get_by_label("Judged").select_option("right")
    page.locator(".news a").click()
    page.locator(".image[open] .verdict").wait_for()
    assert page.locator(".image[open] .name").inner_text() == "bad"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_fits_a_phone(browser: Browser, report: Path, scheme: Any) -> None:
    phone = {"width": 390, "height": 844}
    page = opened(browser, report, viewport=phone, color_scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in re.findall(r"\d+", ground))
    assert (brightness > 600) == (scheme == "light")


def test_page_works_without_script(browser: Browser, report: Path) -> None:
    page = opened(browser, report, java_script_enabled=False)
    assert page.locator(".filters").is_hidden()
    page.locator(".image summary").first.click()
    assert page.locator(".verdict").first.is_visible()

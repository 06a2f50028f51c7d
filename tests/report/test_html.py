"""The page as text: what is in it, that nothing of a guest is markup, and how large it gets."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from PIL import Image

from harness.report.boots import MAX_PICTURES, SHORT_LINES, PageBudget, boot_sections
from harness.report.console_lines import MAX_LINES
from harness.report.gather import gather
from harness.report.html import html_page
from tests.report.samples import (
    HOSTILE,
    RECORDED,
    hostile,
    matrix,
    nightly,
    panic,
    result,
    serial,
    tried,
    unpack,
    write_evidence,
)

EVENTS = re.compile(r"^on")


class Page(HTMLParser):
    """The elements of a page, and the text in some of them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._in = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002
        self._in = ""

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self._in, []).append(data)

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)

    def with_class(self, name: str) -> int:
        return sum(name in (attrs.get("class") or "").split() for _, attrs in self.elements)


def own(name: str) -> str:
    return resources.files("harness.report").joinpath("templates", name).read_text("utf-8")


def test_counts_news_and_groups(tmp_path: Path) -> None:
    text = html_page(nightly(), tmp_path)
    assert "2 of 5 images are as expected, 1 is not, of 1 a host failed, 1 not tried." in text
    order = [text.index(words) for words in ("What is new", "Not as expected", "A host failed")]
    order += [text.index(">As expected"), text.index(">Not tried")]
    assert order == sorted(order)
    assert "It passed before." in text
    assert "since 2026-11-20 03:15 UTC" in text
    page = Page(text)
    assert page.with_class("image") == 4
    assert page.with_class("spark") == 1


def test_row_has_reason_and_remedy(tmp_path: Path) -> None:
    text = html_page(matrix(tried("bad", panic())), tmp_path)
    for words in ("The kernel panicked.", "boot.kernel-panic", "Kernel panic", "another outcome"):
        assert words in text
    assert 'class="remedy"' in text


def test_page_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    page = Page(html_page(nightly(), tmp_path))
    for _, attrs in page.elements:
        for name in ("src", "href", "data", "action", "srcset", "style"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/png;base64,"))


def test_the_policy_names_what_is_in_the_page(tmp_path: Path) -> None:
    page = Page(html_page(nightly(), tmp_path))
    content = next(
        attrs["content"]
        for tag, attrs in page.elements
        if attrs.get("http-equiv") == "Content-Security-Policy"
    )
    directives = dict(part.strip().split(" ", 1) for part in str(content).split(";"))
    for directive, tag in (("style-src", "style"), ("script-src", "script")):
        digest = hashlib.sha256("".join(page.texts[tag]).encode()).digest()
        assert directives.pop(directive) == f"'sha256-{base64.b64encode(digest).decode()}'"
    assert directives == {
        "default-src": "'none'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_hostile_texts_are_text(tmp_path: Path) -> None:
    write_evidence(tmp_path / "run", serial(HOSTILE, "\ud800", HOSTILE * 20_000))
    text = html_page(hostile("run"), tmp_path)
    text.encode("utf-8")
    page = Page(text)
    assert page.texts["script"] == [own("page.js")]
    assert "".join(page.texts["style"]) == own("page.css")
    assert page.count("img") == 0
    for _, attrs in page.elements:
        assert not [name for name in attrs if EVENTS.match(name)]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "49" not in page.texts["h2"]
    assert "owned" in text  # it is there to be read


def test_recorded_boots_are_shown(tmp_path: Path) -> None:
    whole, folder = gather([unpack(name, tmp_path) for name in RECORDED[::3]])
    text = html_page(whole, folder)
    page = Page(text)
    assert page.with_class("image") == len(whole.tried)
    assert page.with_class("hot") > len(whole.tried)
    assert len(text) < 100_000 * len(whole.tried)


def screenshots(folder: Path, count: int) -> None:
    for number in range(count):
        Image.new("RGB", (720, 400), (number, 0, 0)).save(folder / f"screen-{number:02}.png")


def test_last_different_screens_are_shown(tmp_path: Path) -> None:
    screenshots(tmp_path, 20)
    (tmp_path / "screen-end.png").write_bytes((tmp_path / "screen-19.png").read_bytes())
    (boot,) = boot_sections(tmp_path, result(), PageBudget())
    assert len(boot.shots) == MAX_PICTURES
    assert boot.shots[-1].stages == "19, end"


def test_pictures_over_budget_are_counted(tmp_path: Path) -> None:
    screenshots(tmp_path, 3)
    budget = PageBudget(pictures_bytes=0)
    assert boot_sections(tmp_path, result(), budget) == ()
    assert budget.pictures_left_out == 3
    text = html_page(matrix(tried("bad", panic(), run_dir=".")), tmp_path)
    assert text.count("data:image/png") == 3
    assert "screenshots are left out" not in text


def test_logs_over_budget_are_shortened(tmp_path: Path) -> None:
    write_evidence(tmp_path, serial(*(f"line {number}" for number in range(1000))))
    budget = PageBudget()
    (boot,) = boot_sections(tmp_path, result(), budget)
    assert len(boot.logs[0].lines) == MAX_LINES
    (boot,) = boot_sections(tmp_path, result(), PageBudget(log_characters=0))
    assert len(boot.logs[0].lines) == SHORT_LINES
    assert budget.log_characters < PageBudget().log_characters


def test_every_boot_of_a_run_is_shown(tmp_path: Path) -> None:
    for name in (".", "counterfactual", "installation"):
        write_evidence(tmp_path / name, serial(f"in {name}"))
    titles = [boot.title for boot in boot_sections(tmp_path, result(), PageBudget())]
    assert titles == ["", "The installation", "Once more, with one thing changed"]


@pytest.mark.parametrize("serial_speaks", [True, False])
def test_screen_stands_in_for_a_silent_serial_port(tmp_path: Path, serial_speaks: bool) -> None:
    shown = {"t_s": 9, "channel": "screen", "kind": "text", "lines": ["something else"]}
    shown |= {"how": "ocr", "share": 1, "background": "#000000"}
    write_evidence(tmp_path, [*(serial("words") if serial_speaks else []), shown])
    (boot,) = boot_sections(tmp_path, panic(), PageBudget())
    names = [log.name for log in boot.logs]
    assert names == (["serial console"] if serial_speaks else ["last screen, as text"])


def test_missing_run_folder_is_no_error(tmp_path: Path) -> None:
    assert "The kernel panicked." in html_page(
        matrix(tried("bad", panic(), run_dir="runs/gone")), tmp_path
    )


def test_empty_matrix_has_a_page(tmp_path: Path) -> None:
    assert "No image was tried" in html_page(matrix(ended_at=None), tmp_path)

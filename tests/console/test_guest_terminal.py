"""A terminal for a guest that writes whatever it likes."""

from __future__ import annotations

import random

import pytest
from rich.style import Style

from harness.console.guest_terminal import GuestTerminal
from tests.recordings import HOSTILE

pytestmark = pytest.mark.programs


def shown(*chunks: bytes, columns: int = 80) -> str:
    terminal = GuestTerminal(columns)
    for chunk in chunks:
        terminal.feed(chunk)
    return terminal.text()


def all_printable(terminal: GuestTerminal) -> bool:
    return all(
        segment.text.isprintable() and not segment.control
        for line in range(terminal.height)
        for segment in terminal.segments(line)
    )


def test_terminal_draws_text_and_colours() -> None:
    assert shown(b"one\r\ntwo\x1b[1;3Hx\x1b[2;1H\x1b[Kthree\b\b") == "onx\nthree"
    assert shown(b"\x1b(0lqk\x1b(B") == "\u250c\u2500\u2510", "boxes of a dialog"
    assert shown("\u6f22\u5b57 \u00e9".encode()) == "\u6f22\u5b57 \u00e9"
    terminal = GuestTerminal()
    terminal.feed(b"\x1b[31mred\x1b[0m")
    assert terminal.segments(0)[0].style.color.name == "red"
    assert terminal.cursor == (0, 3)


def test_lines_that_scroll_out_are_kept() -> None:
    terminal = GuestTerminal(80, 24)
    terminal.feed(b"".join(b"line %d\r\n" % number for number in range(100)))
    assert terminal.text().splitlines()[0] == "line 0"
    terminal.resize(60, 10)
    terminal.feed(b"more")
    assert terminal.text().splitlines() == [*(f"line {number}" for number in range(100)), "more"]
    for _ in range(300):
        terminal.feed(b"\r\n" * 100)
    assert terminal.height <= 2010


def test_a_sequence_may_come_in_pieces() -> None:
    for cut in range(1, 12):
        whole = b"a\x1b]0;t\x07b\x1b[31mc\xc3\xb6"
        assert shown(whole[:cut], whole[cut:]) == "abc\u00f6"


def test_hostile_bytes_are_text_or_nothing() -> None:
    terminal = GuestTerminal()
    terminal.feed(HOSTILE)
    assert all_printable(terminal)
    text = terminal.text()
    assert "red alert" in text
    assert "pwned" not in text
    assert "[bold]no markup[/bold]" in text
    assert terminal.segments(0)[0].style != Style(reverse=True)


@pytest.mark.parametrize(
    "flood",
    [b"\x1b[" + b"1;" * (1 << 20), b"\x1b[" + b"9" * (1 << 20), b"\x1b]0;" + b"t" * (1 << 20)],
    ids=["parameters", "digits", "title"],
)
def test_endless_sequence_is_dropped(flood: bytes) -> None:
    terminal = GuestTerminal()
    for at in range(0, len(flood), 4096):
        terminal.feed(flood[at : at + 4096])
    terminal.feed(b"m\x07\x1b[0m\r\nalive")
    assert terminal.text().endswith("alive")


def test_zero_width_marks_are_dropped() -> None:
    terminal = GuestTerminal()
    terminal.feed(b"e" + "\u0301".encode() * 100_000)
    assert terminal.segments(0)[0].text.rstrip() == "e"
    assert sum(len(cell.data) for cell in terminal._screen.buffer[0].values()) < 100


def test_any_bytes_are_survived() -> None:
    noise = random.Random(7)
    terminal = GuestTerminal(40, 10)
    for _ in range(40):
        terminal.feed(noise.randbytes(2048))
        terminal.feed(b"\x1b[" + noise.randbytes(8))
    assert all_printable(terminal)
    terminal.feed(b"\x1bc\x1b\\alive")
    assert "alive" in terminal.text()

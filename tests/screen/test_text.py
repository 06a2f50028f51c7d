"""Lines of a screen, as they are kept."""

from __future__ import annotations

from harness.screen.text import MAX_LINE_CHARACTERS, MAX_LINES, tidy


def test_empty_lines_at_either_end_are_left_out() -> None:
    assert tidy(["", "  ", "a  ", "", " b", "", ""]) == ("a", "", " b")
    assert tidy([]) == tidy(["", " "]) == ()


def test_the_last_lines_are_kept() -> None:
    assert tidy(map(str, range(100)))[-1] == "99"
    assert len(tidy(map(str, range(100)))) == MAX_LINES


def test_lines_are_bounded_and_harmless() -> None:
    (line,) = tidy(["\x1b[31m" + "x" * 1000])
    assert len(line) <= MAX_LINE_CHARACTERS
    assert line.isprintable()

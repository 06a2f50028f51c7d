"""The lines of a screen that are kept."""

from __future__ import annotations

from harness.screen.recognized_text import MAX_LINE_CHARACTERS, MAX_LINES, bounded_lines


def test_empty_lines_at_either_end_are_left_out() -> None:
    assert bounded_lines(["", "  ", "a  ", "", " b", "", ""]) == ("a", "", " b")
    assert bounded_lines([]) == bounded_lines(["", " "]) == ()


def test_the_last_lines_are_kept() -> None:
    assert bounded_lines(map(str, range(100)))[-1] == "99"
    assert len(bounded_lines(map(str, range(100)))) == MAX_LINES


def test_lines_are_bounded_and_harmless() -> None:
    (line,) = bounded_lines(["\x1b[31m" + "x" * 1000])
    assert len(line) <= MAX_LINE_CHARACTERS
    assert line.isprintable()

import pytest

from harness.evidence.guest_text import printable, strip_escapes


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;a new title\x07after", "after"),
        ("\x1b]52;c;c3RvbGVu\x1b\\after", "after"),
        ("\x1bP$qm\x1b\\x", "x"),
        ("\x1b]8;;http://evil\x07link", "link"),
        ("\x1b", ""),
        ("bell\x07", "bell\u00b7"),
        ("\x9b31m", "\u00b731m"),
        ("over\rwritten\tand\nsplit", "overwritten and split"),
        ("right\u202eto left", "right\u00b7to left"),
        ("two\u2028lines", "two\u00b7lines"),
    ],
)
def test_printable_leaves_no_terminal_control(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_marks_cut_text() -> None:
    assert printable("x" * 500, limit=10) == "x" * 9 + "\u2026"


def test_unclosed_string_control_ends_with_its_line() -> None:
    assert strip_escapes("\x1b]0;never closed\nnext line") == "\nnext line"

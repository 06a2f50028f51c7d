import pytest

from harness.screen.fonts import CP437
from harness.screen.picture import read_picture
from harness.screen.vga_text import (
    TEXT_MEMORY_BYTES,
    TextMode,
    read_text_memory,
    read_with_picture,
    text_modes,
)
from tests.screen.pictures import BLUE, WHITE, console, font, ppm

TEXT = TextMode(80, 25, 9, 16)
LINES = ["GRUB loading.", "Welcome to GRUB!", "", "error: unknown filesystem.", "grub rescue>"]
WHITE_ON_BLUE, GREY_ON_BLACK = 0x1F, 0x07


def memory_of(lines: list[str], columns: int, attribute: int, start: int = 0) -> bytes:
    rows = b"".join(
        bytes(byte for c in line.ljust(columns) for byte in (CP437.index(c), attribute))
        for line in lines
    )
    blank = bytes([0x20, attribute]) * (TEXT_MEMORY_BYTES // 2)
    return blank[:start] + rows + blank[start + len(rows) :]


@pytest.mark.parametrize(("columns", "rows"), [(80, 25), (80, 50), (40, 25)])
def test_text_memory_as_lines(columns: int, rows: int) -> None:
    memory = memory_of(LINES, columns, WHITE_ON_BLUE)
    text = read_text_memory(memory, TextMode(columns, rows, 9, 400 // rows))
    assert (text.lines, text.how, text.background) == (tuple(LINES), "vga-text", "#0000aa")


def test_missing_memory_is_blank() -> None:
    memory = memory_of(LINES, 80, GREY_ON_BLACK)
    assert read_text_memory(memory[:170], TEXT).lines == (LINES[0], "Welco")
    assert read_text_memory(b"", TEXT).lines == ()


def test_no_code_becomes_a_control_character() -> None:
    memory = bytes(byte for code in range(256) for byte in (code, GREY_ON_BLACK))
    text = "".join(read_text_memory(memory, TEXT).lines)
    assert text.isprintable()


@pytest.mark.parametrize("scrolled", [0, 1, 100, 179])
def test_the_window_of_the_picture_is_found(scrolled: int) -> None:
    older = [f"[ {number}.000000] line {number} of a kernel" for number in range(scrolled)]
    memory = memory_of([*older, *LINES], 80, GREY_ON_BLACK)
    picture = read_picture(ppm(console(LINES, font("vga 9x16"), (720, 400))))
    text = read_with_picture(memory, picture)
    assert text is not None
    assert text.lines == tuple(LINES)


def test_an_unknown_font_is_read_from_memory() -> None:
    image = console(LINES, font("vga 9x16"), (720, 400), ink=WHITE, paper=BLUE)
    for row in range(len(LINES)):
        for column in range(len(LINES[row])):
            if LINES[row][column] != " ":
                image.putpixel((column * 9, row * 16), (255, 0, 0))
    text = read_with_picture(memory_of(LINES, 80, WHITE_ON_BLUE), read_picture(ppm(image)))
    assert text is not None
    assert (text.lines, text.background) == (tuple(LINES), "#0000aa")


def test_a_picture_of_another_screen_gives_none() -> None:
    memory = memory_of(LINES, 80, GREY_ON_BLACK)
    other = console([line[::-1] + "x" for line in LINES], font("vga 9x16"), (720, 400))
    graphics = console(LINES, font("vga 8x16"), (1024, 768))
    for image in (other, graphics, console([], font("vga 9x16"), (720, 400))):
        assert read_with_picture(memory, read_picture(ppm(image))) is None
    assert read_with_picture(b"", read_picture(ppm(other))) is None


def test_text_modes_are_found_by_picture_size() -> None:
    assert TEXT in text_modes(720, 400)
    assert TextMode(80, 50, 9, 8) in text_modes(720, 400)
    assert TextMode(40, 25, 16, 16) in text_modes(640, 400)
    assert text_modes(1280, 800) == text_modes(640, 480) == []

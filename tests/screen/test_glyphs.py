import random
import textwrap

import pytest

from harness.screen.fonts import console_fonts
from harness.screen.glyphs import read_glyphs
from harness.screen.picture import read_picture
from harness.screen.reading import read_screen
from tests.screen.pictures import BLUE, WHITE, console, encoded, font, ppm

LINES = [
    "SeaBIOS (version 1.16.2-debian-1.16.2-1)",
    "Booting from Hard Disk...",
    "error: no such device: 0d4f2d1c-8b6e-4f0e-9a57-7e11e7e11e77.",
    "",
    "Entering rescue mode...",
    "grub rescue>",
]


@pytest.mark.parametrize(
    ("name", "size", "at"),
    [
        ("vga 9x16", (720, 400), (0, 0)),
        ("vga 8x16", (640, 400), (0, 0)),
        ("vga 8x16", (1280, 800), (0, 0)),
        ("vga 9x8", (720, 400), (0, 0)),
        ("vga 8x8", (640, 480), (0, 0)),
        ("vga 8x14", (640, 350), (0, 0)),
        ("uefi 8x19", (1280, 800), (0, 2)),
        ("uefi 8x19", (800, 600), (80, 62)),
        ("vga 8x16", (1024, 768), (10, 10)),
        ("grub 8x16", (1024, 768), (10, 10)),
        ("vga 8x16", (1024, 768), (3, 7)),
    ],
)
def test_a_console_is_read_exactly(name: str, size: tuple[int, int], at: tuple[int, int]) -> None:
    text = read_screen(ppm(console(LINES, font(name), size, at)))
    # A margin is a whole number of blanks.
    lines = tuple(textwrap.dedent("\n".join(text.lines)).splitlines())
    assert (lines, text.how, text.share) == (tuple(LINES), "glyphs", 1.0)


def test_colours_and_inverse_lines_are_read() -> None:
    image = console(LINES, font("vga 9x16"), (720, 400), ink=WHITE, paper=BLUE, inverse=(1,))
    text = read_screen(encoded(image, "PNG"))
    assert (text.lines, text.background) == (tuple(LINES), "#0000aa")


def test_a_cursor_is_read_as_a_blank() -> None:
    image = console(LINES, font("vga 9x16"), (720, 400))
    image.paste((170, 170, 170), (13 * 9, 5 * 16 + 13, 14 * 9, 5 * 16 + 15))
    assert read_screen(ppm(image)).lines == tuple(LINES)


def test_unknown_glyphs_are_marked_and_counted() -> None:
    image = console(LINES, font("vga 8x16"), (640, 400))
    for at in ((0, 0), (8, 0)):
        image.putpixel((at[0] + 7, at[1] + 15), WHITE)
        image.putpixel((at[0] + 6, at[1] + 15), (1, 2, 3))
    text = read_screen(ppm(image))
    assert text.lines[0] == "\ufffd\ufffd" + LINES[0][2:]
    characters = len("".join(LINES).replace(" ", ""))
    assert text.share == pytest.approx(1 - 2 / characters)


def test_mostly_unknown_glyphs_give_no_text() -> None:
    dice = random.Random(1)
    image = console(LINES, font("vga 8x16"), (640, 400))
    for row in range(2, 6):
        for column in range(80):
            image.putpixel((column * 8 + 7, row * 16), tuple(dice.randbytes(3)))
            image.putpixel((column * 8 + 6, row * 16), tuple(dice.randbytes(3)))
    lines, share = read_glyphs(read_picture(ppm(image)), console_fonts())
    assert lines == []
    assert share < 0.85


def test_noise_and_blank_pictures_give_no_text() -> None:
    noise = b"P6 640 480 255\n" + random.Random(1).randbytes(640 * 480 * 3)
    for data in (noise, b"P6 640 480 255\n" + bytes(640 * 480 * 3), b"P6 1 1 255\nabc"):
        assert read_glyphs(read_picture(data), console_fonts())[0] == []


def test_specks_at_the_edge_of_a_large_picture_give_no_text() -> None:
    edge = bytearray(1280 * 800)
    edge[1279 :: 1280 * 20] = b"\xff" * 40
    assert read_glyphs(read_picture(b"P5 1280 800 255\n" + edge), console_fonts()) == ([], 0.0)


def test_pictures_of_odd_sizes_raise_nothing() -> None:
    dice = random.Random(1)
    for width, height in ((1, 1), (1, 900), (900, 1), (7, 15), (8, 16), (9, 16), (81, 33)):
        picture = read_picture(b"P5 %d %d 255\n" % (width, height) + dice.randbytes(width * height))
        assert read_glyphs(picture, console_fonts())[0] == []

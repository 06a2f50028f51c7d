import random
import struct
import zlib

import pytest

from harness.screen.picture import MAX_SIDE_PIXELS, PictureError, read_picture
from tests.screen.pictures import BLUE, console, encoded, font, ppm

LINES = ["No bootable device."]


def png_of(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG whose header says what it likes (PNG specification, sections 5 and 11)."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def test_png_and_ppm_give_the_same_pixels_and_the_most_common_colour() -> None:
    image = console(LINES, font("vga 8x16"), (640, 400), paper=BLUE)
    picture = read_picture(ppm(image))
    assert picture == read_picture(encoded(image, "PNG"))
    assert (picture.width, picture.height, len(picture.grey)) == (640, 400, 640 * 400)
    assert picture.background == "#0000aa"
    assert picture.grey[-1] == picture.background_grey


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GIF89a" + bytes(64),
        b"\x89PNG\r\n\x1a\n",
        png_of(1 << 30, 1 << 30, b""),
        png_of(MAX_SIDE_PIXELS + 1, 1, bytes(MAX_SIDE_PIXELS + 2)),
        png_of(0, 0, b""),
        png_of(64, 64, b"too few"),
        b"P6 99999999 99999999 255\n" + bytes(100),
        b"P6 640 480 255\n" + bytes(100),
        b"P6 640 480 0\n" + bytes(640 * 480 * 3),
        b"P6 -1 -1 255\n",
        b"P6 " + b"9" * 5000,
    ],
)
def test_other_bytes_raise_picture_error(data: bytes) -> None:
    with pytest.raises(PictureError):
        read_picture(data)


def test_broken_pictures_raise_only_picture_error() -> None:
    dice = random.Random(1)
    image = console(LINES, font("vga 8x16"), (320, 100))
    refused = 0
    for whole in (ppm(image), encoded(image, "PNG")):
        for _ in range(300):
            broken = bytearray(whole[: dice.randrange(len(whole))])
            for _ in range(dice.randrange(4)):
                if broken:
                    broken[dice.randrange(min(len(broken), 64))] = dice.randrange(256)
            try:
                read_picture(bytes(broken))
            except PictureError:
                refused += 1
    assert refused > 500

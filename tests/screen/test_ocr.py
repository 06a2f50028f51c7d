import threading

import pytest
from PIL import Image

from harness.screen.ocr import ocr_is_installed, run_ocr
from harness.screen.picture import read_picture
from harness.screen.reading import read_screen, read_with_ocr
from tests.screen.pictures import BLUE, WHITE, console, font, ppm

needs_tesseract = pytest.mark.skipif(
    not ocr_is_installed(), reason="tesseract is not installed (tesseract-ocr)"
)

LINES = ["Your PC ran into a problem and needs to restart.", "", "Stop code: INACCESSIBLE DEVICE"]


def drawn_by_nobody() -> bytes:
    """Letters of a size that no console has, white on blue."""
    image = console(LINES, font("vga 8x16"), (400, 60), ink=WHITE, paper=BLUE)
    return ppm(image.resize((1000, 150), Image.Resampling.BICUBIC))


@needs_tesseract
def test_text_in_an_unknown_font_is_read_by_ocr() -> None:
    text = read_screen(drawn_by_nobody())
    assert text.how == "ocr"
    assert "\n".join(text.lines).split() == " ".join(LINES).split()
    assert text.share > 0.8
    assert text.background == "#0000aa"


@needs_tesseract
def test_ocr_ends_when_it_is_stopped() -> None:
    stop = threading.Event()
    stop.set()
    text = read_with_ocr(read_picture(drawn_by_nobody()), stop)
    assert (text.lines, text.how) == ((), "none")


def test_a_blank_screen_gives_no_text() -> None:
    blank = read_picture(b"P6 640 480 255\n" + bytes(640 * 480 * 3))
    assert run_ocr(blank) == ([], 0.0)
    assert read_with_ocr(blank).how == "none"


def test_without_tesseract_there_is_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert run_ocr(read_picture(drawn_by_nobody())) == ([], 0.0)

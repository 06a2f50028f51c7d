"""Text in a picture by OCR: the last resort, where tesseract(1) is installed.

It is a large C++ program and the picture is a stranger's, so it runs under limits and is given
plain grey pixels, made here, on its standard input.
"""

from __future__ import annotations

import shutil
import threading

from PIL import Image, ImageOps

from harness.host.limits import ProgramLimits, TooLongError, run_limited
from harness.screen.picture import Picture

PROGRAM = "tesseract"

_LIMITS = ProgramLimits(
    cpu_s=10, wall_s=40.0, memory_bytes=1 << 30, open_files=32, output_bytes=1 << 20
)
# Its own advice is letters of 20 pixels and more; a console's are half of that (tesseract's
# manual, "Improving the quality of the output").
_SMALL_WIDTH_PIXELS = 1100
_SMALL_SCALE = 2
# Letters at the very edge are lost without one (the same, "Missing borders").
_BORDER_PIXELS = 10
# A screen whose words it believes in less than this on the whole has no text that helps.
_MIN_SHARE = 0.5
# tesseract(1), "tsv": level, page, block, paragraph, line, word, left, top, width, height,
# confidence, text.
_TSV_COLUMNS = 12


def ocr_is_installed() -> bool:
    """Whether there is a program to ask."""
    return shutil.which(PROGRAM) is not None


def read_by_ocr(picture: Picture, stop: threading.Event | None = None) -> tuple[list[str], float]:
    """The lines that it reads, and how sure it is of their words on the whole, 0.0 to 1.0.

    Nothing where it is not installed, takes too long, is stopped, or is not sure.
    """
    is_blank = picture.grey.count(picture.background_grey) == len(picture.grey)
    if is_blank or not ocr_is_installed():
        return [], 0.0
    # One thread: the guest needs the other processors.
    command = ["env", "OMP_THREAD_LIMIT=1", PROGRAM, "stdin", "stdout", "--psm", "6", "tsv"]
    try:
        output, status = run_limited(command, _LIMITS, stdin=_prepare(picture), stop=stop)
    except TooLongError:
        return [], 0.0
    return _read_tsv(output.decode("utf-8", errors="replace")) if status == 0 else ([], 0.0)


def _prepare(picture: Picture) -> bytes:
    """A PGM with dark letters on light ground, large enough."""
    image = Image.frombytes("L", (picture.width, picture.height), picture.grey)
    background = picture.background_grey
    if background < 128:
        image = ImageOps.invert(image)
    image = ImageOps.expand(image, _BORDER_PIXELS, fill=max(background, 255 - background))
    if picture.width <= _SMALL_WIDTH_PIXELS:
        size = image.width * _SMALL_SCALE, image.height * _SMALL_SCALE
        image = image.resize(size, Image.Resampling.LANCZOS)
    return b"P5\n%d %d\n255\n" % image.size + image.tobytes()


def _read_tsv(table: str) -> tuple[list[str], float]:
    lines: dict[tuple[str, ...], list[str]] = {}
    confidences = []
    for row in table.splitlines():
        columns = row.split("\t")
        if len(columns) != _TSV_COLUMNS or not columns[-1].strip():
            continue
        try:
            confidence = float(columns[-2])
        except ValueError:
            continue  # the heading
        lines.setdefault(tuple(columns[1:5]), []).append(columns[-1])
        confidences.append(confidence)
    share = sum(confidences) / len(confidences) / 100 if confidences else 0.0
    if share < _MIN_SHARE:
        return [], share
    return [" ".join(words) for words in lines.values()], share

"""Text in a picture by OCR: the fallback, where tesseract(1) is installed.

It is a large C++ program and the picture is untrusted, so it runs under limits and reads plain
grey pixels from its standard input.
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
# tesseract needs letters of 20 pixels and more; those of a console are half of that (its manual,
# "Improving the quality of the output").
_SMALL_WIDTH_PIXELS = 1100
_SMALL_SCALE = 2
# Without a border, letters at the edge are lost (the same manual, "Missing borders").
_BORDER_PIXELS = 10
# The minimum of the mean confidence of the words; below it the text is useless.
_MIN_SHARE = 0.5
# tesseract(1), "tsv": level, page, block, paragraph, line, word, left, top, width, height,
# confidence, text.
_TSV_COLUMNS = 12


def ocr_is_installed() -> bool:
    """Tell whether the OCR program is installed."""
    return shutil.which(PROGRAM) is not None


def run_ocr(picture: Picture, stop: threading.Event | None = None) -> tuple[list[str], float]:
    """Return the lines of text, and the mean confidence of their words, 0.0 to 1.0.

    There are no lines where the program is not installed, times out, is stopped, or has a low
    confidence.
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
    """A PGM with dark letters on a light background, scaled up for OCR."""
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

"""Screenshots for a page: decoded, scaled down, and encoded again."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

MAX_PICTURE_BYTES = 120_000
"""A picture that takes more as a palette PNG is scaled down, and left out in the end."""

_LARGEST = (800, 600)
_COLOURS = 32
_MAX_FILE_BYTES = 16 << 20
_MAX_PIXELS = 16_000_000
_SMALLEST_WIDTH = 200


@dataclass(frozen=True, slots=True)
class EmbeddedPicture:
    """A PNG as a data URL, with its size in pixels."""

    source: str
    width: int
    height: int
    size_bytes: int


def embed(path: Path) -> EmbeddedPicture | None:
    """Return the PNG at ``path``, 800 x 600 pixels of 32 colours at most; None if it is not one.

    Only the pixels of the file are used.
    """
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            return None
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                return None
            pixels = picture.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        # Pillow raises SyntaxError for a broken chunk.
        return None
    pixels.thumbnail(_LARGEST, Image.Resampling.LANCZOS)
    while pixels.width >= _SMALLEST_WIDTH:
        data = _encoded(pixels)
        if len(data) <= MAX_PICTURE_BYTES:
            source = "data:image/png;base64," + base64.b64encode(data).decode("ascii")
            return EmbeddedPicture(source, pixels.width, pixels.height, len(source))
        pixels = pixels.resize((pixels.width * 2 // 3, max(1, pixels.height * 2 // 3)))
    return None


def _encoded(pixels: Image.Image) -> bytes:
    buffer = io.BytesIO()
    pixels.quantize(_COLOURS).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

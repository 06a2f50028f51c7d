"""A picture of a screen: in colour, or as shades of grey, one byte a pixel."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

from harness.errors import FormatError

MAX_SIDE_PIXELS = 4096
"""The maximum side of a screen of QEMU's std VGA; larger pictures would exhaust memory."""

# The most common colour is found in a sample of this many pixels a side.
_SAMPLES = 200


class PictureError(FormatError):
    """Bytes that are no supported picture. ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in grey. ``grey`` holds ``width`` x ``height`` bytes, row by row, 0 for black.

    ``background`` is the most common colour as ``#rrggbb``, ``background_grey`` its shade.
    """

    width: int
    height: int
    grey: bytes
    background: str
    background_grey: int


def read_picture(data: bytes) -> Picture:
    """Read a PNG or a PPM; raises PictureError for other bytes."""
    colour = read_colours(data)
    red, green, blue = _most_common(colour)
    grey = colour.convert("L")
    shade = Image.new("RGB", (1, 1), (red, green, blue)).convert("L").tobytes()[0]
    return Picture(
        colour.width, colour.height, grey.tobytes(), f"#{red:02x}{green:02x}{blue:02x}", shade
    )


def read_colours(data: bytes) -> Image.Image:
    """Read a PNG or a PPM in RGB, 4096 pixels a side at most, checked before it is decoded.

    Raises PictureError for other bytes.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "PPM")) as image:
            if max(image.size) > MAX_SIDE_PIXELS:
                raise PictureError(f"{image.size[0]} x {image.size[1]} pixels are too many")
            return image.convert("RGB")
    # Pillow raises several classes for broken bytes (its manual, "Image file formats").
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        OverflowError,
        MemoryError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise PictureError(f"no PNG or PPM that can be read: {error}") from error


def _most_common(image: Image.Image) -> tuple[int, int, int]:
    """The most common colour in a sample of the pixels."""
    size = min(image.width, _SAMPLES), min(image.height, _SAMPLES)
    sample = image.resize(size, Image.Resampling.NEAREST)
    counts = sample.getcolors(size[0] * size[1]) or []
    return max(counts)[1]  # type: ignore[return-value]  # three bands: it is RGB

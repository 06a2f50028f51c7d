"""A picture of a screen: in colour, or as shades of grey, one byte a pixel."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

from harness.errors import FormatError

MAX_SIDE_PIXELS = 4096
"""Nothing that a std VGA shows is larger, and more would only be memory to fill."""

# Where the background is looked for: this many samples a side tell the most common colour.
_SAMPLES = 200


class PictureError(FormatError):
    """The bytes are no picture that is read here. ``str()`` says why."""


@dataclass(frozen=True, slots=True)
class Picture:
    """``grey`` holds ``width`` x ``height`` bytes, row by row, 0 for black.

    ``background`` is the most common colour as ``#rrggbb``, ``background_grey`` its shade.
    """

    width: int
    height: int
    grey: bytes
    background: str
    background_grey: int


def read_picture(data: bytes) -> Picture:
    """The picture in a PNG or a PPM; raises PictureError for whatever else ``data`` is."""
    colour = read_colours(data)
    red, green, blue = _most_common(colour)
    grey = colour.convert("L")
    shade = Image.new("RGB", (1, 1), (red, green, blue)).convert("L").tobytes()[0]
    return Picture(
        colour.width, colour.height, grey.tobytes(), f"#{red:02x}{green:02x}{blue:02x}", shade
    )


def read_colours(data: bytes) -> Image.Image:
    """The same in colour: RGB, at most 4096 pixels a side, checked before a pixel is decoded."""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "PPM")) as image:
            if max(image.size) > MAX_SIDE_PIXELS:
                raise PictureError(f"{image.size[0]} x {image.size[1]} pixels are too many")
            return image.convert("RGB")
    # What Pillow raises for broken bytes is not one class (its manual, "Image file formats").
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
    """The colour of most pixels, by a sample of them."""
    size = min(image.width, _SAMPLES), min(image.height, _SAMPLES)
    sample = image.resize(size, Image.Resampling.NEAREST)
    counts = sample.getcolors(size[0] * size[1]) or []
    return max(counts)[1]  # type: ignore[return-value]  # three bands: it is RGB

"""The guest's screen as a picture: in the terminal's own graphics, else in halves of its cells.

What the terminal can is asked when this is imported, which has to be before the application starts.
"""

from __future__ import annotations

import logging
from typing import Protocol, cast

from PIL import Image as Pillow
from textual.widget import Widget

from harness.screen.picture import PictureError, read_colours

# Of a terminal that does not answer it would say so on the terminal, with a traceback.
logging.getLogger("textual_image").setLevel(logging.CRITICAL + 1)

from textual_image.widget import Image as ImageWidget  # noqa: E402

PICTURE_ID = "screen-picture"


class _ImageHolder(Protocol):
    image: Pillow.Image | None


def picture_pane() -> Widget:
    """The widget, with nothing on it."""
    return ImageWidget(id=PICTURE_ID)


class PictureUpdater:
    """Puts pictures on a pane, and none twice: a terminal is slow to draw one."""

    def __init__(self) -> None:
        self._last = b""

    def show(self, pane: Widget, data: bytes) -> None:
        """Show the PNG or PPM ``data``; what is none leaves the pane out."""
        if data and data == self._last:
            pane.display = True
            return
        self._last = data
        try:
            cast(_ImageHolder, pane).image = read_colours(data)
        except PictureError:
            pane.display = False
        else:
            pane.display = True

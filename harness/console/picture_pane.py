"""The guest's screen as a picture: in the terminal's own graphics, else in half-cell blocks.

The terminal's capabilities are queried at import, which must be before the application starts.
"""

from __future__ import annotations

import logging
from typing import Protocol, cast

from PIL import Image as Pillow
from textual.widget import Widget

from harness.screen.picture import PictureError, read_colours

# For a terminal that does not answer it would print a traceback on it.
logging.getLogger("textual_image").setLevel(logging.CRITICAL + 1)

from textual_image.widget import Image as ImageWidget  # noqa: E402

PICTURE_ID = "screen-picture"


class _ImageHolder(Protocol):
    image: Pillow.Image | None


def picture_pane() -> Widget:
    """Return the widget, with nothing on it."""
    return ImageWidget(id=PICTURE_ID)


class PictureUpdater:
    """An updater of a pane that draws no picture twice: drawing is slow on a terminal."""

    def __init__(self) -> None:
        self._last = b""

    def show(self, pane: Widget, data: bytes) -> None:
        """Show the PNG or PPM ``data``; hide the pane for other data."""
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

"""The serial line as a widget."""

from __future__ import annotations

from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from harness.console.guest_terminal import GuestTerminal

# How far a guest may be ahead of the terminal; more than that is skipped, with a note.
_MAX_BACKLOG_BYTES = 64 << 10
_KEPT_BYTES = 16 << 10
_CHUNK_BYTES = 4 << 10
_PERIOD_S = 1 / 20
_PASSED_OVER = b"\x1b[0m\r\n[... %d kB passed over: all of it is in serial.log ...]\r\n"


class SerialPane(ScrollView, can_focus=True):
    """A pane that shows the serial line at a pace that keeps the keys responsive."""

    BORDER_TITLE = "serial console"

    def __init__(self) -> None:
        super().__init__(id="serial-pane")
        self.terminal = GuestTerminal()
        self._backlog = bytearray()
        self._shown_size = Size()

    def on_mount(self) -> None:
        """Start the timer."""
        self.set_interval(_PERIOD_S, self.catch_up)

    def write(self, chunk: bytes) -> None:
        """Queue bytes of the guest."""
        self._backlog += chunk
        if len(self._backlog) > _MAX_BACKLOG_BYTES:
            over = len(self._backlog) - _KEPT_BYTES
            self._backlog[:over] = _PASSED_OVER % (over >> 10)

    def catch_up(self) -> None:
        """Show a part of the queued bytes."""
        if not self._backlog:
            return
        follows = self.scroll_offset.y >= self.max_scroll_y
        self.terminal.feed(bytes(self._backlog[:_CHUNK_BYTES]))
        del self._backlog[:_CHUNK_BYTES]
        self._show(follows=follows)

    def on_resize(self) -> None:
        """Make the guest's terminal as wide as the pane."""
        size = self.scrollable_content_region.size
        if size and size != self._shown_size:
            self._shown_size = size
            self.terminal.resize(max(size.width, 20), max(size.height, 4))
            self._show(follows=True)

    def _show(self, *, follows: bool) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, self.terminal.height)
        if follows:
            self.scroll_end(animate=False, force=True)
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Return one line of the pane."""
        line = y + self.scroll_offset.y
        width = self.scrollable_content_region.width
        strip = Strip(self.terminal.segments(line))
        return strip.adjust_cell_length(width, self.rich_style).apply_style(self.rich_style)

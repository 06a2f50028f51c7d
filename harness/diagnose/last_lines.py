"""The last lines of each channel, which a finding shows as its evidence."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.diagnose.rules import Channel
from harness.evidence.guest_text import printable

_LINES = 12
_FIRMWARE_LINES = 4
# The firmware's log is long; only lines that begin like this mean something to a person.
_FIRMWARE_WORDS = ("Boot", "No boot")
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class LastLines:
    """The last lines of each channel, made printable."""

    _tails: dict[Channel, deque[str]] = field(default_factory=dict)

    def of(self, channel: Channel) -> tuple[str, ...]:
        """Return the last lines of ``channel``, the latest last."""
        lines = tuple(self._tail(channel))
        return lines[-_FIRMWARE_LINES:] if channel == "firmware" else lines

    def of_console(self, *, or_screen: bool) -> tuple[str, ...]:
        """Return the lines of the serial console; with ``or_screen``, else those of the screen."""
        serial = self.of("serial")
        return self.of("screen") if or_screen and not serial else serial

    def add(self, channel: Channel, text: str) -> None:
        """Add a line; of the firmware's lines, only those that mean something are kept."""
        if channel != "firmware" or text.startswith(_FIRMWARE_WORDS):
            self._tail(channel).append(printable(text))

    def add_distinct(self, channel: Channel, text: str) -> None:
        """Add a line unless one of the last lines differs from it only in numbers and marks.

        An installer redraws its windows and the time of day again and again.
        """
        words = _WORDS.findall(text)
        if not any(_WORDS.findall(line) == words for line in self._tail(channel)):
            self.add(channel, text)

    def drop_last(self, channel: Channel) -> None:
        """Forget the latest line."""
        if self._tail(channel):
            self._tail(channel).pop()

    def replace(self, channel: Channel, lines: Iterable[str]) -> None:
        """Put ``lines`` in place of all earlier lines of ``channel``."""
        self._tails[channel] = deque(maxlen=_LINES)
        for line in lines:
            self.add(channel, line)

    def copy(self, channel: Channel, to: Channel) -> None:
        """Copy the lines of ``channel`` to the channel ``to``."""
        self._tails[to] = deque(self._tail(channel), maxlen=_LINES)

    def _tail(self, channel: Channel) -> deque[str]:
        return self._tails.setdefault(channel, deque(maxlen=_LINES))

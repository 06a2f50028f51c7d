"""What was said last on each channel: the lines that a finding shows as its evidence."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.diagnose.rules import Channel
from harness.evidence.guest_text import printable

_LINES = 12
_FIRMWARE_LINES = 4
# The firmware's log is chatty; these of its lines mean something to a person.
_FIRMWARE_WORDS = ("Boot", "No boot")
_WORDS = re.compile(r"[^\W\d_]+")


@dataclass(slots=True)
class LastWords:
    """The last lines of each channel, made printable."""

    _tails: dict[Channel, deque[str]] = field(default_factory=dict)

    def of(self, channel: Channel) -> tuple[str, ...]:
        """The last lines of ``channel``, the latest last."""
        lines = tuple(self._tail(channel))
        return lines[-_FIRMWARE_LINES:] if channel == "firmware" else lines

    def of_console(self, *, or_screen: bool) -> tuple[str, ...]:
        """What the serial console shows; with ``or_screen``, the screen where that is mute."""
        serial = self.of("serial")
        return self.of("screen") if or_screen and not serial else serial

    def say(self, channel: Channel, text: str) -> None:
        """``text`` was said; of the firmware, only what means something is kept."""
        if channel != "firmware" or text.startswith(_FIRMWARE_WORDS):
            self._tail(channel).append(printable(text))

    def say_once(self, channel: Channel, text: str) -> None:
        """The same, where none of the last lines is ``text`` but for numbers and marks.

        An installer draws its windows and the time of day again and again.
        """
        words = _WORDS.findall(text)
        if not any(_WORDS.findall(line) == words for line in self._tail(channel)):
            self.say(channel, text)

    def take_back(self, channel: Channel) -> None:
        """Forget the latest line."""
        if self._tail(channel):
            self._tail(channel).pop()

    def show(self, channel: Channel, lines: Iterable[str]) -> None:
        """``lines`` stand there now, in place of all that stood there before."""
        self._tails[channel] = deque(maxlen=_LINES)
        for line in lines:
            self.say(channel, line)

    def copy(self, channel: Channel, to: Channel) -> None:
        """What was said on ``channel`` stands for ``to`` as well."""
        self._tails[to] = deque(self._tail(channel), maxlen=_LINES)

    def _tail(self, channel: Channel) -> deque[str]:
        return self._tails.setdefault(channel, deque(maxlen=_LINES))

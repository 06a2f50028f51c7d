"""The bytes of a serial line for everybody who watches it, also who comes late."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[bytes], None]

MAX_PAST_BYTES = 256 << 10


class SerialTap:
    """Hands out what comes, and keeps the last 256 KiB of it."""

    def __init__(self) -> None:
        self._past = bytearray()
        self._listeners: list[Listener] = []

    def feed(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._past += chunk
        if len(self._past) > 2 * MAX_PAST_BYTES:
            del self._past[:-MAX_PAST_BYTES]
        for listener in list(self._listeners):
            listener(chunk)

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Tell ``listener`` what there was and what comes, until what is given back is called."""
        listener(bytes(self._past[-MAX_PAST_BYTES:]))
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def clear(self) -> None:
        """Forget what there was, and have every terminal do so (RIS; ECMA-48, 8.3.105)."""
        self._past.clear()
        self.feed(b"\x1bc")

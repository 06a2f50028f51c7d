"""The bytes of a serial line for all its listeners, late ones included."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[bytes], None]

MAX_PAST_BYTES = 256 << 10


class SerialTap:
    """A distributor of serial bytes that keeps the last 256 KiB."""

    def __init__(self) -> None:
        self._past = bytearray()
        self._listeners: list[Listener] = []

    def feed(self, chunk: bytes) -> None:
        """Pass the next bytes to all listeners."""
        self._past += chunk
        if len(self._past) > 2 * MAX_PAST_BYTES:
            del self._past[:-MAX_PAST_BYTES]
        for listener in list(self._listeners):
            listener(chunk)

    def watch(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` with past and new bytes, until the returned function is called."""
        listener(bytes(self._past[-MAX_PAST_BYTES:]))
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def clear(self) -> None:
        """Drop the past bytes, and reset every terminal (RIS; ECMA-48, 8.3.105)."""
        self._past.clear()
        self.feed(b"\x1bc")

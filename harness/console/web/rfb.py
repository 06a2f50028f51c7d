"""A filter for the messages of a browser to the guest's screen (RFB 3.8, RFC 6143).

QEMU takes keys from every client. Here a client's stream is split into messages: requests for the
picture pass, keys and pointer events pass for the typist only, everything else is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import FormatError

_VERSION = b"RFB 003.008\n"
_NO_PASSWORD = 1
_SHARED = b"\x01"
_MAX_ENCODINGS = 256
# The guest has no clipboard: pasted text is skipped.
_MAX_CUT_BYTES = 1 << 20

_SET_PIXEL_FORMAT, _SET_ENCODINGS, _UPDATE_REQUEST, _KEY, _POINTER, _CUT_TEXT = 0, 2, 3, 4, 5, 6
_CONTINUOUS, _FENCE, _XVP, _SET_SIZE, _QEMU = 150, 248, 250, 251, 255
_QEMU_KEY, _QEMU_AUDIO = 0, 1
_QEMU_AUDIO_FORMAT = 2

_FIXED_BYTES = {
    _SET_PIXEL_FORMAT: 20,
    _UPDATE_REQUEST: 10,
    _KEY: 8,
    _POINTER: 6,
    _CONTINUOUS: 10,
    _XVP: 4,
}
_FOR_ALL = frozenset({_SET_PIXEL_FORMAT, _SET_ENCODINGS, _UPDATE_REQUEST})
# The number of bytes from which the length of a message is known.
_HEAD_BYTES = {_SET_ENCODINGS: 4, _CUT_TEXT: 8, _FENCE: 9, _SET_SIZE: 8, _QEMU: 4}


class NotRfbError(FormatError):
    """The client sent something other than RFB; its connection must end."""


class ClientFilter:
    """A filter for one client; ``may_type`` tells, at each message, whether it is the typist."""

    def __init__(self, may_type: Callable[[], bool]) -> None:
        self._may_type = may_type
        self._rest = b""
        self._step = self._version
        self._keys_down: set[bytes] = set()

    def feed(self, chunk: bytes) -> bytes:
        """Return the bytes of ``chunk`` that QEMU may get. Raises NotRfbError."""
        self._rest += chunk
        passed = []
        while (message := self._step()) is not None:
            passed.append(message)
        return b"".join(passed)

    def _take(self, size_bytes: int) -> bytes | None:
        """Return the next bytes; None if they have not all arrived."""
        if len(self._rest) < size_bytes:
            return None
        taken, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return taken

    def _version(self) -> bytes | None:
        if (received := self._take(len(_VERSION))) is None:
            return None
        if received != _VERSION:
            raise NotRfbError("another version than RFB 3.8")
        self._step = self._security
        return received

    def _security(self) -> bytes | None:
        if (received := self._take(1)) is None:
            return None
        if received[0] != _NO_PASSWORD:
            raise NotRfbError("another way to log in than none")
        self._step = self._init
        return received

    def _init(self) -> bytes | None:
        if self._take(1) is None:
            return None
        self._step = self._message
        # Always shared: an exclusive client would disconnect the others.
        return _SHARED

    def _message(self) -> bytes | None:
        if not self._rest:
            return None
        kind = self._rest[0]
        if (size_bytes := self._size(kind)) is None or (message := self._take(size_bytes)) is None:
            return None
        if kind in _FOR_ALL:
            return message
        if kind == _KEY:
            return self._key(message, down=message[1] != 0, key=message[4:8])
        if kind == _QEMU and message[1] == _QEMU_KEY:
            return self._key(message, down=message[2:4] != b"\0\0", key=message[8:12])
        if kind == _POINTER and self._may_type():
            return message
        return b""

    def _key(self, message: bytes, *, down: bool, key: bytes) -> bytes:
        """Pass a key of the typist; of a former typist, the release of keys still held down."""
        if not down:
            was_held = key in self._keys_down
            self._keys_down.discard(key)
            return message if was_held or self._may_type() else b""
        if not self._may_type():
            return b""
        self._keys_down.add(key)
        return message

    def _size(self, kind: int) -> int | None:
        """Return the length of a message of ``kind``; None if its head has not all arrived."""
        if kind in _FIXED_BYTES:
            return _FIXED_BYTES[kind]
        if kind not in _HEAD_BYTES:
            raise NotRfbError(f"no message is called {kind}")
        head = self._rest[: _HEAD_BYTES[kind]]
        return None if len(head) < _HEAD_BYTES[kind] else _size_by_head(kind, head)


def _size_by_head(kind: int, head: bytes) -> int:
    if kind == _SET_ENCODINGS:
        return 4 + 4 * _at_most(int.from_bytes(head[2:4]), _MAX_ENCODINGS)
    if kind == _CUT_TEXT:
        # Negative: the extended clipboard, whose length is the absolute value.
        return 8 + _at_most(abs(int.from_bytes(head[4:8], signed=True)), _MAX_CUT_BYTES)
    if kind == _FENCE:
        return 9 + head[8]
    if kind == _SET_SIZE:
        return 8 + 16 * head[6]
    if head[1] == _QEMU_KEY:
        return 12
    if head[1] == _QEMU_AUDIO:
        return 10 if int.from_bytes(head[2:4]) == _QEMU_AUDIO_FORMAT else 4
    raise NotRfbError(f"no message of QEMU is called {head[1]}")


def _at_most(count: int, limit: int) -> int:
    if count > limit:
        raise NotRfbError("a message is too long")
    return count

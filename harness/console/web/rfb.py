"""What a browser says to the guest's screen, message by message (RFB 3.8, RFC 6143).

QEMU takes keys from whoever is connected. Here a client's stream is cut into its messages; those
that only ask for the picture pass, keys and pointer pass for the typist, and all else is dropped.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import FormatError

_VERSION = b"RFB 003.008\n"
_NO_PASSWORD = 1
_SHARED = b"\x01"
_MAX_ENCODINGS = 256
# The guest has no clipboard: what is pasted is counted off and goes nowhere.
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
# How many bytes of a message say how long it is.
_HEAD_BYTES = {_SET_ENCODINGS: 4, _CUT_TEXT: 8, _FENCE: 9, _SET_SIZE: 8, _QEMU: 4}


class NotRfbError(FormatError):
    """The client says what no message of RFB is; its connection must end."""


class ClientFilter:
    """Cuts what one client sends; ``may_type`` says, at each message, whether it is the typist."""

    def __init__(self, may_type: Callable[[], bool]) -> None:
        self._may_type = may_type
        self._rest = b""
        self._step = self._version
        self._held: set[bytes] = set()

    def feed(self, chunk: bytes) -> bytes:
        """The bytes that go on to QEMU for ``chunk``. Raises NotRfbError."""
        self._rest += chunk
        passed = []
        while (message := self._step()) is not None:
            passed.append(message)
        return b"".join(passed)

    def _take(self, size_bytes: int) -> bytes | None:
        """The next bytes; None where they are not all there yet."""
        if len(self._rest) < size_bytes:
            return None
        taken, self._rest = self._rest[:size_bytes], self._rest[size_bytes:]
        return taken

    def _version(self) -> bytes | None:
        if (said := self._take(len(_VERSION))) is None:
            return None
        if said != _VERSION:
            raise NotRfbError("another version than RFB 3.8")
        self._step = self._security
        return said

    def _security(self) -> bytes | None:
        if (said := self._take(1)) is None:
            return None
        if said[0] != _NO_PASSWORD:
            raise NotRfbError("another way to log in than none")
        self._step = self._init
        return said

    def _init(self) -> bytes | None:
        if self._take(1) is None:
            return None
        self._step = self._message
        # Whatever it asked for: who is not shared with would be thrown out.
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
        """A key of the typist; of who was the typist, the release of what is still held."""
        if not down:
            was_held = key in self._held
            self._held.discard(key)
            return message if was_held or self._may_type() else b""
        if not self._may_type():
            return b""
        self._held.add(key)
        return message

    def _size(self, kind: int) -> int | None:
        """How long the message is that begins with ``kind``; None where that is not there yet."""
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
        # Below zero it is the extended clipboard, as long as its number without the sign.
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

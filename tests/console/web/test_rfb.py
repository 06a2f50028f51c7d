"""The messages of a browser that reach QEMU, byte by byte, for the typist and for viewers."""

from __future__ import annotations

import struct

import pytest

from harness.console.web.rfb import ClientFilter, NotRfbError

HELLO = b"RFB 003.008\n" + b"\x01" + b"\x00"
HELLO_PASSED = b"RFB 003.008\n" + b"\x01" + b"\x01"

PIXELS = b"\x00" + bytes(19)
ENCODINGS = struct.pack(">BxHii", 2, 2, 0, -223)
REQUEST = struct.pack(">BBHHHH", 3, 1, 0, 0, 800, 600)
POINTER = struct.pack(">BBHH", 5, 1, 10, 10)
CUT = struct.pack(">BxxxI", 6, 5) + b"hello"
CUT_EXTENDED = struct.pack(">Bxxxi", 6, -8) + bytes(8)
CONTINUOUS = b"\x96" + bytes(9)
FENCE = struct.pack(">BxxxIB", 248, 0, 3) + b"abc"
POWER_OFF = struct.pack(">BxBB", 250, 1, 2)
RESIZE = struct.pack(">BxHHBx", 251, 640, 480, 1) + bytes(16)
AUDIO_ON = struct.pack(">BBH", 255, 1, 0)
AUDIO_FORMAT = struct.pack(">BBHBBI", 255, 1, 2, 0, 2, 44100)

LOOKING = [PIXELS, ENCODINGS, REQUEST]
NEVER = [CUT, CUT_EXTENDED, CONTINUOUS, FENCE, POWER_OFF, RESIZE, AUDIO_ON, AUDIO_FORMAT]


def key(down: bool, keysym: int = 0x61) -> bytes:
    return struct.pack(">BBxxI", 4, down, keysym)


def qemu_key(down: bool, code: int = 30) -> bytes:
    return struct.pack(">BBHII", 255, 0, down, 0x61, code)


def ready(may_type: bool) -> ClientFilter:
    client = ClientFilter(lambda: may_type)
    assert client.feed(HELLO) == HELLO_PASSED
    return client


TYPING = [key(True), key(False), qemu_key(True), qemu_key(False), POINTER]


@pytest.mark.parametrize("message", [*TYPING, *NEVER])
def test_viewer_cannot_type(message: bytes) -> None:
    assert ready(False).feed(message + REQUEST) == REQUEST


@pytest.mark.parametrize("message", [*LOOKING, *TYPING])
def test_messages_of_the_typist_pass(message: bytes) -> None:
    assert ready(True).feed(message) == message


@pytest.mark.parametrize("message", NEVER)
def test_other_messages_are_dropped(message: bytes) -> None:
    assert ready(True).feed(message + REQUEST) == REQUEST


def test_single_bytes_give_the_same_messages() -> None:
    stream = HELLO + b"".join([*LOOKING, *TYPING, *NEVER, *LOOKING])
    client = ClientFilter(lambda: False)
    passed = b"".join(client.feed(bytes([byte])) for byte in stream)
    assert passed == HELLO_PASSED + b"".join([*LOOKING, *LOOKING])


@pytest.mark.parametrize("make", [key, qemu_key])
def test_held_key_is_released_after_a_take_over(make: type) -> None:
    types = [True]
    client = ClientFilter(lambda: types[0])
    client.feed(HELLO)
    assert client.feed(make(True)) == make(True)
    types[0] = False
    assert client.feed(make(True)) == b""
    assert client.feed(make(False)) == make(False)
    assert client.feed(make(False)) == b""


@pytest.mark.parametrize(
    "stream",
    [
        b"RFB 003.003\n",
        b"GET / HTTP/1.1\r\n",
        b"RFB 003.008\n\x02",
        HELLO + b"\x01",
        HELLO + b"\xff\x07\x00\x00",
        HELLO + struct.pack(">BxH", 2, 65535),
        HELLO + struct.pack(">BxxxI", 6, 1 << 30),
        HELLO + struct.pack(">Bxxxi", 6, -(1 << 31)),
    ],
)
def test_unknown_message_ends_the_connection(stream: bytes) -> None:
    with pytest.raises(NotRfbError):
        ClientFilter(lambda: True).feed(stream)

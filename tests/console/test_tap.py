"""A serial line that several watch, some of whom come late."""

from __future__ import annotations

from harness.console.tap import MAX_PAST_BYTES, SerialTap


def test_late_listener_gets_past_bytes() -> None:
    tap, heard = SerialTap(), bytearray()
    tap.feed(b"before ")
    leave = tap.watch(heard.extend)
    tap.feed(b"after")
    leave()
    tap.feed(b" gone")
    assert heard == b"before after"


def test_past_bytes_are_limited_to_the_last() -> None:
    tap, heard = SerialTap(), bytearray()
    for _ in range(5):
        tap.feed(b"x" * MAX_PAST_BYTES)
    tap.feed(b"the end")
    tap.watch(heard.extend)
    assert len(heard) == MAX_PAST_BYTES
    assert heard.endswith(b"xthe end")


def test_clear_drops_past_bytes_and_resets_terminals() -> None:
    tap, early, late = SerialTap(), bytearray(), bytearray()
    tap.watch(early.extend)
    tap.feed(b"old")
    tap.clear()
    tap.watch(late.extend)
    assert (bytes(early), bytes(late)) == (b"old\x1bc", b"\x1bc")


def test_listener_may_leave_during_a_call() -> None:
    tap, heard = SerialTap(), list[bytes]()
    leave = None

    def once(chunk: bytes) -> None:
        heard.append(chunk)
        if leave:
            leave()

    leave = tap.watch(once)
    tap.watch(heard.append)
    tap.feed(b"a")
    tap.feed(b"b")
    assert heard == [b"", b"", b"a", b"a", b"b"]

"""A serial line that several watch, some of whom come late."""

from __future__ import annotations

from harness.console.tap import MAX_PAST_BYTES, SerialTap


def test_who_comes_late_is_told_what_there_was() -> None:
    tap, heard = SerialTap(), bytearray()
    tap.feed(b"before ")
    leave = tap.watch(heard.extend)
    tap.feed(b"after")
    leave()
    tap.feed(b" gone")
    assert heard == b"before after"


def test_what_is_kept_is_bounded_and_the_last() -> None:
    tap, heard = SerialTap(), bytearray()
    for _ in range(5):
        tap.feed(b"x" * MAX_PAST_BYTES)
    tap.feed(b"the end")
    tap.watch(heard.extend)
    assert len(heard) == MAX_PAST_BYTES
    assert heard.endswith(b"xthe end")


def test_what_was_cleared_is_told_to_nobody_and_resets_the_others() -> None:
    tap, early, late = SerialTap(), bytearray(), bytearray()
    tap.watch(early.extend)
    tap.feed(b"old")
    tap.clear()
    tap.watch(late.extend)
    assert (bytes(early), bytes(late)) == (b"old\x1bc", b"\x1bc")


def test_a_listener_may_leave_while_it_is_told() -> None:
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

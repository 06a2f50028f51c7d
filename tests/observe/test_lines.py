import random

import pytest

from harness.observe.lines import MAX_LINE_BYTES, LineSplitter, Piece


def pieces(*chunks: bytes) -> list[tuple[str, int, str]]:
    splitter = LineSplitter()
    return [
        (piece.kind, piece.offset, piece.text) for chunk in chunks for piece in splitter.feed(chunk)
    ]


def test_lines_carry_the_offset_of_their_first_byte() -> None:
    assert pieces(b"one\r\n", b"two\r\nthr", b"ee\n") == [
        ("line", 0, "one"),
        ("line", 5, "two"),
        ("line", 10, "three"),
    ]


@pytest.mark.parametrize(
    "prompt",
    ["debian login: ", "grub rescue> ", "(initramfs) ", "~ # ", "Press any key? ", "sh-5.2$ "],
)
def test_a_prompt_is_given_out_without_a_newline(prompt: str) -> None:
    assert ("prompt", 3, prompt) in pieces(b"ok\n" + prompt.encode())


def test_a_prompt_is_given_out_once() -> None:
    assert pieces(b"login: ", b"", b"\x1b[0m") == [("prompt", 0, "login: ")]


def test_what_grub_draws_with_cursor_moves_becomes_lines() -> None:
    drawn = b"\x1b[2J\x1b[1;1HGNU GRUB  version 2.06\x1b[4;2H*Debian GNU/Linux\x1b[0m\x1b[5;1H"
    assert [text for _, _, text in pieces(drawn)] == ["GNU GRUB  version 2.06", "*Debian GNU/Linux"]


def test_a_rest_that_is_no_prompt_waits_for_flush() -> None:
    splitter = LineSplitter()
    assert list(splitter.feed(b"Loading, please wait")) == []
    assert list(splitter.flush()) == [Piece("prompt", 0, "Loading, please wait")]
    assert list(splitter.flush()) == []


def test_megabytes_without_a_newline_are_cut_and_do_not_pile_up() -> None:
    splitter = LineSplitter()
    count = 0
    for _ in range(100):
        for piece in splitter.feed(b"A" * 10_000):
            assert len(piece.text) <= MAX_LINE_BYTES
            count += 1
    assert count == 1_000_000 // MAX_LINE_BYTES
    assert len(splitter._rest) <= MAX_LINE_BYTES


def test_invalid_utf8_and_a_character_cut_in_two() -> None:
    assert pieces(b"caf\xc3", b"\xa9 \xff\n") == [("line", 0, "caf\u00e9 \ufffd")]


def test_how_the_stream_is_cut_does_not_change_the_lines() -> None:
    stream = (
        b"[    0.000000] Linux version 6.1\r\n\x1b[32m  ok\x1b[0m\nend of \xe2\x82\xac text\n" * 5
    )
    whole = [row for row in pieces(stream) if row[0] == "line"]
    dice = random.Random(1)
    for _ in range(50):
        cuts = sorted(dice.sample(range(len(stream)), 12))
        chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        cut = [text for kind, _, text in pieces(*chunks) if kind == "line"]
        assert cut == [text for _, _, text in whole]

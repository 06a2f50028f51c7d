"""The sources of bytes of an image, and their ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.image.source import LocalFile, Memory, Pieces, Window

TEN = Memory(b"0123456789")


@pytest.mark.parametrize(
    ("offset", "length", "content"),
    [(0, 3, b"234"), (2, 9, b"456"), (5, 1, b""), (99, 1, b""), (0, 0, b"")],
)
def test_a_read_stops_at_the_end_of_the_window(offset: int, length: int, content: bytes) -> None:
    assert Window(TEN, 2, 5).read_at(offset, length) == content


@pytest.mark.parametrize(
    ("offset", "size", "left"), [(8, 5, 2), (10, 5, 0), (12, 5, 0), (0, 99, 10)]
)
def test_a_window_is_no_larger_than_its_source(offset: int, size: int, left: int) -> None:
    assert Window(TEN, offset, size).size_bytes == left


def test_pieces_are_read_as_one_source() -> None:
    pieces = Pieces(TEN, [(8, 2), (0, 3), (5, 1)])
    assert pieces.size_bytes == 6
    assert pieces.read_at(0, 99) == b"890125"
    assert pieces.read_at(1, 3) == b"901"
    assert pieces.read_at(5, 9) == b"5"
    assert pieces.read_at(6, 1) == b""


def test_pieces_end_at_the_first_incomplete_one() -> None:
    pieces = Pieces(TEN, [(0, 2), (9, 4), (3, 2)])
    assert pieces.read_at(0, 99) == b"019"


def test_a_file_is_read_at_any_offset_and_bytes_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    with LocalFile(path) as source:
        assert source.size_bytes == 10
        assert (source.read_at(8, 99), source.read_at(10, 1)) == (b"89", b"")
        assert source.read_at(0, 2) == b"01"
        assert source.bytes_read == 4


def test_what_is_no_regular_file_raises_usage_error(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, said in (
        (tmp_path, "is a folder"),
        (pipe, "is a pipe"),
        (Path("/dev/null"), "is a character device"),
        (tmp_path / "nothing", "cannot be read: No such file"),
        (Path("a\0b"), "is no name of a file"),
    ):
        with pytest.raises(UsageError, match=said):
            LocalFile(path)

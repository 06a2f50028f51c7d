"""Screenshots in a page: small, and nothing but pixels."""

from __future__ import annotations

import base64
import io
import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from harness.report.pictures import MAX_PICTURE_BYTES, embed


def decoded(source: str) -> bytes:
    return base64.b64decode(source.removeprefix("data:image/png;base64,"), validate=True)


def test_a_screen_keeps_its_pixels(tmp_path: Path) -> None:
    picture = Image.new("RGB", (720, 400))
    picture.putpixel((3, 4), (170, 170, 170))
    picture.save(tmp_path / "a.png")
    found = embed(tmp_path / "a.png")
    assert found is not None
    assert (found.width, found.height) == (720, 400)
    with Image.open(io.BytesIO(decoded(found.source))) as shown:
        assert shown.convert("RGB").getpixel((3, 4)) == (170, 170, 170)


def test_metadata_of_a_file_is_dropped(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "SECRET" * 5)
    Image.new("RGB", (9, 9)).resize((300, 200)).save(tmp_path / "a.png", pnginfo=info)
    with (tmp_path / "a.png").open("ab") as file:
        file.write(b"SECRET behind the end")
    found = embed(tmp_path / "a.png")
    assert found is not None
    assert b"SECRET" not in decoded(found.source)


def test_large_picture_is_scaled_down(tmp_path: Path) -> None:
    noise = Image.frombytes("RGB", (1280, 800), os.urandom(1280 * 800 * 3))
    noise.save(tmp_path / "a.png")
    found = embed(tmp_path / "a.png")
    assert found is not None
    assert found.width <= 800
    assert found.height <= 600
    assert len(decoded(found.source)) <= MAX_PICTURE_BYTES


@pytest.mark.parametrize("content", [b"", b"no picture", b"\x89PNG\r\n\x1a\n" + b"\0" * 100])
def test_other_file_is_left_out(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert embed(tmp_path / "a.png") is None


def test_another_format_is_left_out(tmp_path: Path) -> None:
    Image.new("RGB", (300, 200)).save(tmp_path / "a.png", format="GIF")
    assert embed(tmp_path / "a.png") is None


def test_a_picture_that_ends_early_is_left_out(tmp_path: Path) -> None:
    Image.frombytes("RGB", (300, 200), os.urandom(180_000)).save(tmp_path / "a.png")
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "a.png").write_bytes(whole[: len(whole) // 2])
    assert embed(tmp_path / "a.png") is None


def test_picture_with_too_many_pixels_is_not_decoded(tmp_path: Path) -> None:
    Image.new("1", (8000, 8000)).save(tmp_path / "a.png")
    assert embed(tmp_path / "a.png") is None


def test_missing_file_is_left_out(tmp_path: Path) -> None:
    assert embed(tmp_path / "a.png") is None

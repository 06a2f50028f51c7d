"""When a screen is read, and that what is on the screen of a real machine is recorded."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.evidence import events
from harness.evidence.log import EvidenceLog, Observation
from harness.observe.screen import ScreenTexts, ScreenWatch
from harness.screen.bugcheck import read_bugcheck
from harness.screen.recognized_text import RecognizedText
from images.build import build
from tests.program import ProgramRun

PAINT = Path(__file__).parents[1] / "screen" / "paint.asm"

Verify = Callable[..., ProgramRun]

# LZ4 frame format description, "Legacy frame": what Linux packs its kernel with.
LZ4_LEGACY_MAGIC = b"\x02\x21\x4c\x18"


def test_a_screen_is_due_once_it_stands_still() -> None:
    watch = ScreenWatch()
    assert not watch.is_due(0.0, 0.9)
    watch.note_picture(b"one", 1.0)
    assert not watch.is_due(1.0, 0.9)
    watch.note_picture(b"two", 2.0)
    assert not watch.is_due(2.0, 0.9)
    watch.note_picture(b"two", 3.0)
    assert watch.is_due(3.0, 0.9)
    watch.mark_read()
    watch.note_picture(b"two", 4.0)
    assert not watch.is_due(4.0, 0.9)


def test_a_cursor_that_blinks_does_not_keep_it_from_standing_still() -> None:
    watch = ScreenWatch()
    for second, digest in enumerate([b"on", b"off", b"on", b"off"]):
        watch.note_picture(digest, float(second))
    assert watch.is_due(3.0, 1.9)


def test_a_screen_that_never_stands_still_is_due_after_a_while() -> None:
    watch = ScreenWatch()
    for second in range(12):
        watch.note_picture(b"%d" % second, float(second))
        assert watch.is_due(float(second), 0.9) == (second >= 10)


def test_only_a_console_that_speaks_makes_it_wait() -> None:
    watch = ScreenWatch()
    assert watch.is_mute(0.0)
    watch.note_console(Observation(5.0, events.SerialLine("x", 0)))
    watch.note_console(Observation(8.0, events.DiskReads(read_bytes=1)))
    assert not watch.is_mute(6.0)
    assert watch.is_mute(7.0)


def test_ocr_is_asked_seldom_and_not_for_ever() -> None:
    watch = ScreenWatch()
    asked = []
    for second in range(1000):
        watch.note_picture(b"%d" % (second // 3), float(second))
        if watch.may_ask_ocr(float(second)):
            asked.append(second)
            watch.note_ocr(float(second))
            watch.mark_read()
    assert len(asked) == 30
    assert min(after - before for before, after in pairwise(asked)) >= 10


def test_a_text_is_recorded_once_and_not_for_ever(tmp_path: Path) -> None:
    seen: list[Observation] = []
    with EvidenceLog(tmp_path / "evidence.jsonl") as log:
        log.subscribe(seen.append)
        texts = ScreenTexts(log)
        for number in (1, 1, 2):
            texts.record(RecognizedText((f"line {number}",), "glyphs", 0.98765, "#000000"))
        texts.record(RecognizedText((), "none", 0.0, "#000000"))
        assert [row.event.lines for row in seen] == [("line 1",), ("line 2",)]
        assert (seen[0].event.how, seen[0].event.share) == ("glyphs", 0.9877)
        number = 3
        while not texts.full:
            texts.record(RecognizedText((f"line {number}",), "glyphs", 1.0, "#000000"))
            number += 1
    assert len(seen) == 300


BLUE_SCREEN = (
    "A problem has been detected and Windows has been shut down.\r\n\r\n"
    "INACCESSIBLE_BOOT_DEVICE\r\n\r\n*** STOP: 0x0000007B (0xF78D2524,0xC0000034)"
)


def painted(folder: Path, message: str, mode: int, colour: int) -> Path:
    """A disk whose boot sector writes ``message`` on the screen and stops."""
    text = folder / "message"
    text.write_bytes(message.encode("ascii"))
    defines = [f"-DMODE={mode:#x}", f"-DCOLOUR={colour:#x}", f'-DMESSAGE="{text}"']
    raw, disk = folder / "paint.img", folder / "paint.qcow2"
    subprocess.run(["nasm", "-f", "bin", *defines, "-o", raw, PAINT], check=True)
    with raw.open("r+b") as file:
        file.truncate(1 << 20)
    return packed(raw, disk)


def raw_of(image: Path, folder: Path) -> Path:
    raw = folder / "broken.img"
    subprocess.run(["qemu-img", "convert", "-O", "raw", image, raw], check=True)
    return raw


def packed(raw: Path, disk: Path) -> Path:
    subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", raw, disk], check=True)
    return disk


def screen_texts(ran: ProgramRun) -> list[dict[str, Any]]:
    return [row for row in ran.evidence if (row["channel"], row["kind"]) == ("screen", "text")]


@pytest.mark.boot
@pytest.mark.parametrize(
    ("mode", "how", "background"), [(0, "vga-text", "#0000"), (0x103, "glyphs", "#000000")]
)
def test_what_a_guest_writes_on_its_screen_is_evidence(
    tmp_path: Path, verify: Verify, mode: int, how: str, background: str
) -> None:
    ran = verify(painted(tmp_path, BLUE_SCREEN, mode, colour=0x1F), "--silence", "4")
    (row,) = screen_texts(ran)
    assert row["lines"] == BLUE_SCREEN.split("\r\n")
    assert (row["how"], row["share"]) == (how, 1.0)
    assert row["background"].startswith(background)
    bugcheck = read_bugcheck(row["lines"], row["background"])
    assert bugcheck is not None
    assert bugcheck.code == "0x0000007B"


@pytest.mark.boot
def test_the_prompt_of_grub_that_finds_no_file_system(tmp_path: Path, verify: Verify) -> None:
    raw, disk = raw_of(build("tiny"), tmp_path), tmp_path / "broken.qcow2"
    with raw.open("r+b") as file:
        file.seek(4096 * 512 + 1024)  # the superblock of the root partition
        file.write(bytes(1024))
    last = screen_texts(verify(packed(raw, disk), "--silence", "8"))[-1]
    assert last["how"] == "vga-text"
    assert "GNU GRUB  version" in last["lines"][0]
    assert last["lines"][-1] == "grub>"


@pytest.mark.boot
def test_the_console_of_a_kernel_on_a_framebuffer(verify: Verify) -> None:
    image = build("tiny", "vga=791 tiny.mode=no-network")
    last = screen_texts(verify(image, "--silence", "30"))[-1]
    assert (last["how"], last["share"]) == ("glyphs", 1.0)
    assert [line for line in last["lines"] if "Run /init as init process" in line]


@pytest.mark.boot
def test_a_kernel_that_cannot_be_unpacked_says_so_on_the_screen_only(
    tmp_path: Path, verify: Verify
) -> None:
    raw, disk = raw_of(build("tiny"), tmp_path), tmp_path / "broken.qcow2"
    content = raw.read_bytes()
    packed_at = content.find(LZ4_LEGACY_MAGIC)
    assert packed_at > 0
    with raw.open("r+b") as file:
        file.seek(packed_at + 64)
        file.write(b"\xff" * (256 << 10))
    ran = verify(packed(raw, disk), "--silence", "30")
    last = screen_texts(ran)[-1]
    assert last["how"] == "vga-text"
    assert last["lines"][-1] == " -- System halted"
    assert not [row for row in ran.evidence if "System halted" in row.get("text", "")]

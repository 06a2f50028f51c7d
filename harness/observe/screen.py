"""The guest's screen: screenshots, and the text on it."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from qemu.qmp import ExecuteError

from harness.errors import HostError
from harness.evidence import events
from harness.evidence.events import Screenshot, ScreenshotMissing, SerialLine, SerialPrompt
from harness.evidence.log import EvidenceLog, Observation
from harness.machine.machine import Machine
from harness.screen.picture import Picture, PictureError, read_picture
from harness.screen.reading import read_console, read_with_ocr
from harness.screen.recognized_text import RecognizedText
from harness.screen.vga_text import (
    TEXT_MEMORY_ADDRESS,
    TEXT_MEMORY_BYTES,
    read_with_picture,
    text_modes,
)

PERIOD_S = 0.3

# A screen is read once it has not changed for the first of these, or has kept changing for the
# last. OCR takes seconds of a processor that the guest also needs, so it waits longer.
_STILL_S = 0.25
_STILL_FOR_OCR_S = 2.0
_RESTLESS_S = 10.0
# While the console has output, its lines say all that a screen does, and OCR is left out.
_MUTE_S = 2.0

# A QEMU that is stopped, or hangs, must not keep a run from its end.
_LAST_SCREENSHOT_S = 10.0
_MAX_TEXTS = 300
_MAX_OCRS = 30
_OCR_PAUSE_S = 10.0
# A cursor blinks and a spinner turns: a recent picture that returns is no change.
_REMEMBERED_PICTURES = 64


async def take_screenshot(log: EvidenceLog, machine: Machine, folder: Path, name: str) -> None:
    """Write the screen to ``folder`` as the PNG file ``name`` and record that.

    A screen that QEMU cannot write (no room on the host) is recorded as missing.
    """
    path = folder / name
    try:
        path.write_bytes(await machine.dump("screendump", format="png"))
    except (ExecuteError, OSError) as error:
        log.record(ScreenshotMissing(path.name, str(error)))
    else:
        log.record(Screenshot(path.name))


async def take_last_screenshot(log: EvidenceLog, machine: Machine, folder: Path, name: str) -> None:
    """Take a screenshot at the end of a run, if QEMU can still give one within some seconds."""
    if machine.has_ended:
        return
    with suppress(HostError, TimeoutError):
        async with asyncio.timeout(_LAST_SCREENSHOT_S):
            await take_screenshot(log, machine, folder, name)


@dataclass(slots=True)
class ScreenWatch:
    """The decision when to read the screen. Times are seconds since power-on."""

    is_no_console: bool = False
    _ocrs_left: int = _MAX_OCRS
    _ocr_s: float = float("-inf")
    _shown: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED_PICTURES))
    _unread_since_s: float | None = None
    _changed_s: float = 0.0
    _console_s: float = float("-inf")

    def note_console(self, observation: Observation) -> None:
        """Note the time of an observation of the serial console."""
        if isinstance(observation.event, SerialLine | SerialPrompt):
            self._console_s = observation.t_s

    def note_picture(self, digest: bytes, now_s: float) -> None:
        """Note the digest of the current picture."""
        if digest in self._shown:
            return
        self._shown.append(digest)
        self._changed_s = now_s
        self.is_no_console = False
        if self._unread_since_s is None:
            self._unread_since_s = now_s

    def is_due(self, now_s: float, still_s: float) -> bool:
        """Tell whether a new picture has stood for ``still_s``, or the screen keeps changing."""
        if self._unread_since_s is None:
            return False
        return now_s - self._changed_s >= still_s or now_s - self._unread_since_s >= _RESTLESS_S

    def is_mute(self, now_s: float) -> bool:
        """Tell whether the serial console has been silent for a while."""
        return now_s - self._console_s >= _MUTE_S

    def may_ask_ocr(self, now_s: float) -> bool:
        """Tell whether the screen may be read by OCR now."""
        return (
            self._ocrs_left > 0
            and now_s - self._ocr_s >= _OCR_PAUSE_S
            and self.is_due(now_s, _STILL_FOR_OCR_S)
        )

    def note_ocr(self, now_s: float) -> None:
        """Note an OCR that ended at ``now_s``."""
        self._ocrs_left -= 1
        self._ocr_s = now_s

    def mark_read(self) -> None:
        """Note that the current picture has been read."""
        self._unread_since_s = None


class ScreenTexts:
    """The recorder of screen texts: each once, up to a limit."""

    def __init__(self, log: EvidenceLog) -> None:
        self._log = log
        self._recorded: set[tuple[str, ...]] = set()

    @property
    def full(self) -> bool:
        """True where the limit is reached."""
        return len(self._recorded) >= _MAX_TEXTS

    def record(self, text: RecognizedText) -> None:
        """Record ``text`` if it says anything new."""
        if not text.lines or text.lines in self._recorded:
            return
        self._recorded.add(text.lines)
        self._log.record(
            events.ScreenText(text.lines, text.background, text.how, round(text.share, 4))
        )


async def read_screens(log: EvidenceLog, machine: Machine) -> None:
    """Record the text on the screen of the running ``machine``, until cancelled.

    Takes a picture three times a second, reads it when the screen has changed and stands still, and
    records each text once, 300 at most.
    """
    watch = ScreenWatch()
    log.subscribe(watch.note_console)
    texts = ScreenTexts(log)
    while not texts.full:
        await asyncio.sleep(PERIOD_S)
        dump = await _dump(machine, "screendump")
        if dump is None:
            continue
        watch.note_picture(await asyncio.to_thread(_digest, dump), log.now_s())
        if not watch.is_due(log.now_s(), _STILL_S):
            continue
        with suppress(PictureError):
            picture = await asyncio.to_thread(read_picture, dump)
            text = await _read(machine, picture, watch, log)
            if text:
                watch.mark_read()
                texts.record(text)


async def read_screen_now(machine: Machine) -> RecognizedText:
    """Return the text on the screen at this moment, by the cheapest method that finds one.

    ``how`` is ``none`` where none does. This may take seconds.
    """
    text, picture = await _read_console_now(machine)
    if text.lines or text.how == "vga-text" or picture is None:
        return text
    return await asyncio.to_thread(read_with_ocr, picture)


async def read_console_now(machine: Machine) -> RecognizedText:
    """Return the text of a console on the screen now; cheap enough for several calls a second.

    ``how`` is ``none`` where it shows anything but text of a console's font.
    """
    return (await _read_console_now(machine))[0]


async def dump_screen(machine: Machine) -> bytes:
    """Return the screen at this moment as a PPM; b"" where QEMU writes none."""
    return await _dump(machine, "screendump") or b""


async def _read_console_now(machine: Machine) -> tuple[RecognizedText, Picture | None]:
    dump = await _dump(machine, "screendump")
    try:
        picture = await asyncio.to_thread(read_picture, dump or b"")
    except PictureError:
        return RecognizedText((), "none", 0.0, "#000000"), None
    text = await _read_text_memory(machine, picture)
    if text is None:
        text = await asyncio.to_thread(read_console, picture)
    return text, picture


async def _read_text_memory(machine: Machine, picture: Picture) -> RecognizedText | None:
    """Return the text in the memory of a text mode; None in any other mode."""
    if not text_modes(picture.width, picture.height):
        # In a graphics mode a read of this memory changes the adapter's latches.
        return None
    place = {"val": TEXT_MEMORY_ADDRESS, "size": TEXT_MEMORY_BYTES}
    memory = await _dump(machine, "pmemsave", **place)
    return await asyncio.to_thread(read_with_picture, memory or b"", picture)


async def _read(
    machine: Machine, picture: Picture, watch: ScreenWatch, log: EvidenceLog
) -> RecognizedText | None:
    """Return the screen's text by the cheapest method that finds one; None where it must wait."""
    text = await _read_text_memory(machine, picture)
    if text:
        return text
    if not watch.is_mute(log.now_s()):
        return None
    if not watch.is_no_console:
        text = await asyncio.to_thread(read_console, picture)
        if text.lines:
            return text
        watch.is_no_console = True
    if not watch.may_ask_ocr(log.now_s()):
        return None
    stop = threading.Event()
    try:
        return await asyncio.to_thread(read_with_ocr, picture, stop)
    finally:
        # A run with a verdict does not wait for the OCR.
        stop.set()
        watch.note_ocr(log.now_s())


async def _dump(machine: Machine, command: str, **arguments: int) -> bytes | None:
    """Return the file that QEMU writes for ``command``; None where it could not."""
    try:
        return await machine.dump(command, **arguments)
    except (ExecuteError, OSError):
        return None


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()

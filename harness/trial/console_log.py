"""The judgement of a console log or a screenshot, by the same rules as a run.

That is what a person has of a machine in a cloud: its serial console, or a picture of its screen.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import __version__
from harness.errors import UsageError
from harness.evidence import events
from harness.evidence.events import Event
from harness.evidence.log import Observation
from harness.model.image import Prediction
from harness.observe.lines import LineSplitter, Piece
from harness.screen.ocr import ocr_is_installed
from harness.screen.picture import PictureError
from harness.screen.reading import read_screen
from harness.trial.replay import judge_record
from harness.trial.result import CONSOLE_LOG, Result

MAX_LOG_BYTES = 64 << 20
"""The largest console log; a larger file is something else."""

SCREEN = "screenshot"
_CHUNK_BYTES = 1 << 16
# Linux, kernel/printk/printk.c, print_time: seconds since the kernel started, in brackets.
_TIMESTAMP = re.compile(r"^\[ *(\d{1,6}\.\d{6})\]")
# Some clouds keep a serial console in blocks of a fixed size; the last one is padded with zeros.
_PADDING = b"\0"


def judge_console_log(path: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """Return the result that the console log in ``path`` proves.

    ``rules`` are location and text of the user's own tables. The outcome is ``fail`` or
    ``inconclusive``: no console proves the network. Raises UsageError for a file that cannot be
    read, is larger than 64 MiB, or is no text.
    """
    content = _read(path)
    return judge_record(_observations(path, content, rules), None)


def judge_screen(path: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """Return the result that the screenshot in ``path`` (PNG or PPM) proves, by the same rules.

    Raises UsageError for a file that cannot be read, or is no such picture.
    """
    try:
        content = path.read_bytes()
        text = read_screen(content)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except PictureError as error:
        raise UsageError(f"{path}: {error}") from error
    if not text.lines and not ocr_is_installed():
        raise UsageError(
            f"{path}: holds no text in a known console font; with tesseract-ocr installed, other "
            "fonts are read too."
        )
    shown = events.ScreenText(text.lines, text.background, text.how)
    start = _start(path, len(content), SCREEN)
    rows: list[Event] = [start, *_own_rules(rules), shown, events.LogEnd()]
    return judge_record((Observation(0.0, row) for row in rows), None)


def _own_rules(rules: Iterable[tuple[str, str]]) -> list[events.OwnRules]:
    return [events.OwnRules(location, text) for location, text in rules]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LOG_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > MAX_LOG_BYTES:
        raise UsageError(f"{path}: is larger than {MAX_LOG_BYTES >> 20} MiB: no console log.")
    content = content.rstrip(_PADDING)
    if not content.strip():
        raise UsageError(f"{path}: holds no text: name a file with what the console printed.")
    zeros = content.find(b"\0\0\0\0")
    if zeros >= 0 and content.count(b"\0") > len(content) // 10:
        raise UsageError(f"{path}: is no text (zeros from byte {zeros}): name a console log.")
    return content


def _observations(
    path: Path, content: bytes, rules: Iterable[tuple[str, str]]
) -> Iterator[Observation]:
    for event in (_start(path, len(content), CONSOLE_LOG), *_own_rules(rules)):
        yield Observation(0.0, event)
    splitter = LineSplitter()
    t_s = 0.0
    for at in range(0, len(content), _CHUNK_BYTES):
        for piece in splitter.feed(content[at : at + _CHUNK_BYTES]):
            stamp = _TIMESTAMP.match(piece.text)
            t_s = max(t_s, float(stamp[1])) if stamp else t_s
            yield _text_observation(t_s, piece)
    for piece in splitter.flush():
        yield _text_observation(t_s, piece)
    yield Observation(t_s, events.LogEnd())


def _text_observation(t_s: float, piece: Piece) -> Observation:
    event_type = events.SerialLine if piece.kind == "line" else events.SerialPrompt
    return Observation(t_s, event_type(piece.text, piece.offset))


def _start(path: Path, size_bytes: int, kind: str) -> events.RunStart:
    """Return the first event of a record that has only text."""
    return events.RunStart(
        provider="any cloud",
        image=events.ImageRecord(
            location=str(path), format=kind, file_size_bytes=size_bytes, virtual_size_bytes=None
        ),
        prediction=Prediction(),
        inside=(),
        check_s=0.0,
        tool=events.ToolRecord(version=__version__, qemu=None, accel=None, backend=CONSOLE_LOG),
        seed=events.SeedRecord(),
        until="ready",
        strict=False,
        firmware="bios",
        chipset="pc",
        disk_bus="virtio-scsi",
        medium="disk",
        whole_log=True,
    )

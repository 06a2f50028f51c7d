"""A console log or a picture of a screen, judged by the rules of a run.

It is what a person has of a machine in some cloud: its serial console, or a screenshot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from harness import __version__
from harness.diagnose.diagnosis import Diagnosis, diagnose
from harness.errors import UsageError
from harness.evidence.log import Observation
from harness.observe.lines import LineSplitter, Piece
from harness.screen.ocr import ocr_is_installed
from harness.screen.picture import PictureError
from harness.screen.reading import read_screen
from harness.trial.result import CONSOLE_LOG, Result, compose

MAX_LOG_BYTES = 64 << 20
"""A console log is text; what is larger is something else."""

SCREEN = "screenshot"
_CHUNK_BYTES = 1 << 16
# Linux, kernel/printk/printk.c, print_time: seconds since the kernel started, in brackets.
_TIMESTAMP = re.compile(r"^\[ *(\d{1,6}\.\d{6})\]")
# Where a serial console is kept in blocks of a fixed size, the last one is filled up with zeros.
_FILLING = b"\0"


def judge_console_log(path: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """What the console log in ``path`` proves: the stage reached, the cause, its lines.

    ``rules`` are location and text of tables of the user's own. The outcome is ``fail`` or
    ``inconclusive``: no console proves the network. Raises UsageError for a file that cannot be
    read, is larger than 64 MiB, or is no text.
    """
    content = _read(path)
    diagnosis = Diagnosis()
    facts = []
    for observation in _observations(path, content, rules):
        if observation.channel == "run":
            facts.append(observation)
        diagnosis.feed(observation)
    return compose(diagnosis, facts, None)


def judge_screen(path: Path, rules: Iterable[tuple[str, str]] = ()) -> Result:
    """What the picture of a screen in ``path`` (PNG or PPM) proves, by the same rules.

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
    shown = {"lines": list(text.lines), "background": text.background, "how": text.how}
    start = _start(path, len(content))
    rows = [
        Observation(0.0, "run", "start", {**start, "image": {**start["image"], "format": SCREEN}}),
        *_rules_rows(rules),
        Observation(0.0, "screen", "text", shown),
        Observation(0.0, "console", "end", {}),
    ]
    return compose(diagnose(rows), rows[:1], None)


def _rules_rows(rules: Iterable[tuple[str, str]]) -> list[Observation]:
    return [
        Observation(0.0, "run", "rules", {"location": location, "text": text})
        for location, text in rules
    ]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_LOG_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > MAX_LOG_BYTES:
        raise UsageError(f"{path}: is larger than {MAX_LOG_BYTES >> 20} MiB: no console log.")
    content = content.rstrip(_FILLING)
    if not content.strip():
        raise UsageError(f"{path}: holds no text: name a file with what the console printed.")
    zeros = content.find(b"\0\0\0\0")
    if zeros >= 0 and content.count(b"\0") > len(content) // 10:
        raise UsageError(f"{path}: is no text (zeros from byte {zeros}): name a console log.")
    return content


def _observations(
    path: Path, content: bytes, rules: Iterable[tuple[str, str]]
) -> Iterator[Observation]:
    yield Observation(0.0, "run", "start", _start(path, len(content)))
    yield from _rules_rows(rules)
    splitter = LineSplitter()
    t_s = 0.0
    for at in range(0, len(content), _CHUNK_BYTES):
        for piece in splitter.feed(content[at : at + _CHUNK_BYTES]):
            stamp = _TIMESTAMP.match(piece.text)
            t_s = max(t_s, float(stamp[1])) if stamp else t_s
            yield _said(t_s, piece)
    for piece in splitter.flush():
        yield _said(t_s, piece)
    yield Observation(t_s, "console", "end", {})


def _said(t_s: float, piece: Piece) -> Observation:
    return Observation(t_s, "serial", piece.kind, {"text": piece.text, "offset": piece.offset})


def _start(path: Path, size_bytes: int) -> dict[str, Any]:
    """The facts that a run would begin with: nothing but the text is known."""
    image = {
        "location": str(path),
        "format": CONSOLE_LOG,
        "file_size_bytes": size_bytes,
        "virtual_size_bytes": None,
    }
    seed = {"address": "", "mac": "", "phone_home_path": "", "ready_path": ""}
    return {
        "provider": "any cloud",
        "image": image,
        "prediction": {},
        "inside": [],
        "check_s": 0.0,
        "tool": {"version": __version__, "qemu": None, "accel": None, "backend": CONSOLE_LOG},
        "whole_log": True,
        "until": "ready",
        "strict": False,
        "seed": seed,
    }

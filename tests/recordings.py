"""Recorded runs, and the output of a guest that means harm."""

from __future__ import annotations

import lzma
from pathlib import Path

TESTS = Path(__file__).parent
RECORDINGS = sorted([*TESTS.glob("gallery/*.xz"), *TESTS.glob("trial/isos/*.xz")])
HOSTILE = (
    b"\x1b]0;pwned title\x07\x1b]52;c;cHduZWQ=\x07\x1b]52;c;cHduZWQ=\x1b\\"
    b"\x1bP1$qpwned\x1b\\\x1b_Gpwned\x1b\\\x1b[5nred \x1b[31malert\x1b[0m "
    b"\xff\xfe\xc2\x9b31m\xe2\x80\xae\x1b[?1049h\x1b[>1;2;3;4q\x1b[?3h\x1b[=1;2c\r\n"
    b"[/] [bold]no markup[/bold]\r\n"
)
"""A title, a clipboard, strings of a control, a question, an alternate screen, 132 columns,
sequences that no parser knows, no UTF-8, a C1 control, a mark that turns the order."""


def recorded(path: Path, folder: Path) -> Path:
    """The recording as the folder of a run."""
    folder.mkdir(exist_ok=True)
    (folder / "evidence.jsonl").write_bytes(lzma.decompress(path.read_bytes()))
    return folder

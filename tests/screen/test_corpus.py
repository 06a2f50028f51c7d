"""Third-party pictures of screens."""

from __future__ import annotations

import pytest

from harness.screen.bugcheck import read_bugcheck
from harness.screen.ocr import ocr_is_installed
from harness.screen.reading import read_screen
from tests.corpus import CORPUS, judges_corpus

SCREENS = CORPUS / "screens"

pytestmark = [
    *judges_corpus,
    pytest.mark.skipif(not ocr_is_installed(), reason="tesseract is not installed (tesseract-ocr)"),
]


@pytest.mark.parametrize(
    ("file", "code", "name"),
    [
        ("bsod-1.png", "0x0000003B", "SYSTEM_SERVICE_EXCEPTION"),
        ("bsod-3.png", "0x000000D0", "DRIVER_CORRUPTED_MMPOOL"),
    ],
)
def test_stop_codes_of_real_screens_are_read(file: str, code: str, name: str) -> None:
    text = read_screen((SCREENS / file).read_bytes())
    bugcheck = read_bugcheck(text.lines, text.background)
    assert bugcheck is not None
    assert (bugcheck.code, bugcheck.name) == (code, name)
    # Each half says it, should the other be lost.
    name_only = [line for line in text.lines if "STOP" not in line]
    code_only = [line for line in text.lines if "STOP" in line]
    assert read_bugcheck(name_only, text.background) == bugcheck
    assert read_bugcheck(code_only, text.background) == bugcheck


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("lisa-1d1c7bbc.png", ("2 ethernet adapters", "virtual machine and attach")),
        ("lisa-37691d7f.png", ("Debian GNU/Linux 11", "Detected virtualization microsoft")),
    ],
)
def test_scaled_down_consoles_are_read(file: str, words: tuple[str, ...]) -> None:
    text = read_screen((SCREENS / file).read_bytes())
    assert text.how == "ocr"
    for wanted in words:
        assert wanted in "\n".join(text.lines)
    assert read_bugcheck(text.lines, text.background) is None

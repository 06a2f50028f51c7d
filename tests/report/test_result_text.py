"""The last screen of a run, as a person reads it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from harness.model.finding import finding
from harness.report.result_text import print_result, size_text
from harness.trial.result import Image, Result, Tool

_IMAGE = Image(location="disk.qcow2", format="qcow2", file_size_bytes=5, virtual_size_bytes=7)
_TOOL = Tool(version="1", qemu="7.2", accel="tcg", backend="qemu")


def shown(width: int = 80, **more: Any) -> str:
    facts: dict[str, Any] = {
        "image": _IMAGE,
        "provider": "contabo",
        "outcome": "pass",
        "stage": "network",
        "cause": None,
        "findings": (),
        "timings_s": {"check": 0.1, "power-on": 0.0, "network": 48.25, "verdict": 48.25},
        "run_dir": "runs/1",
        "tool": _TOOL,
    }
    result = Result.model_validate({"schema": "harness.result/1", **facts, **more})
    console = Console(file=io.StringIO(), width=width)
    print_result(console, result)
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_pass_shows_all_parts() -> None:
    text = shown()
    assert "PASS  contabo will boot this image" in text
    assert "network\u00a048.2s" in text
    assert "after 48.2 s" in text


@pytest.mark.parametrize(
    ("more", "headline"),
    [
        ({"outcome": "fail", "cause": "boot.hung"}, "FAIL  contabo will not run this image"),
        ({"outcome": "inconclusive"}, "INCONCLUSIVE  nothing proves"),
        ({"outcome": "error", "cause": "host.no-space"}, "ERROR  this host could not try"),
        ({"stage": None}, "contabo takes this image; it was not booted"),
        (
            {"stage": None, "findings": (finding("size.over-quota", "Large."),)},
            "contabo takes this image, with 1 warning; it was not booted",
        ),
        (
            {"stage": None, "outcome": "fail", "cause": "qcow2.malformed"},
            "contabo does not take this image",
        ),
        (
            {"stage": None, "outcome": "fail", "cause": "url.tls"},
            "contabo cannot fetch this image",
        ),
    ],
)
def test_the_headline_says_what_was_found(more: dict[str, Any], headline: str) -> None:
    assert headline in shown(**more)


def test_the_cause_stands_first_and_notes_last() -> None:
    rows = (
        finding("qcow2.compressed", "A note."),
        finding("qcow2.dirty", "A warning."),
        finding("boot.hung", "The cause.", ("a line",)),
    )
    text = shown(outcome="fail", cause="boot.hung", findings=rows)
    assert text.index("The cause.") < text.index("A warning.") < text.index("A note.")
    assert "\u2502 a line" in text
    assert "\u2192 Look at the last screenshot" in text


def test_text_of_an_image_is_harmless() -> None:
    bad = "\x1b[2J\x1b]0;owned\x07\u202e"
    image = _IMAGE.model_copy(update={"location": bad, "content": bad, "final_url": bad})
    row = finding("boot.hung", bad, (bad,))
    text = shown(image=image, findings=(row,), outcome="fail", cause="boot.hung", run_dir=bad)
    assert "\x1b" not in text
    assert "\u202e" not in text


@pytest.mark.parametrize("width", [20, 40, 200])
def test_a_path_is_never_cut(width: int) -> None:
    path = "/a/" + "long/" * 30
    assert path in shown(width=width, run_dir=path).replace("\n", "").replace(" ", "")


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (25 * 10**9, "25.0 GB")],
)
def test_sizes_are_decimal(size: int, text: str) -> None:
    assert size_text(size) == text


_ISO = Image(location="disc.iso", format="iso", file_size_bytes=5, virtual_size_bytes=None)


@pytest.mark.parametrize(
    ("more", "headline"),
    [
        ({}, "PASS  contabo will start this disc, and what it starts finds the disk and the NIC"),
        ({"stage": "rebooted"}, "contabo can install from this disc, and will boot what it"),
        ({"outcome": "fail", "cause": "installer.disk-unseen"}, "nothing will be installed from"),
        ({"outcome": "inconclusive"}, "nothing proves that contabo can install from this disc"),
    ],
)
def test_iso_has_headlines_of_its_own(more: dict[str, Any], headline: str) -> None:
    text = shown(width=120, image=_ISO, **more)
    assert headline in text
    assert "installed" in text
    assert "userspace" not in text

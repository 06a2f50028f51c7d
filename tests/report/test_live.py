"""What is printed while a run goes on, where there is no terminal to animate."""

from __future__ import annotations

import io
from typing import Any

from rich.console import Console

from harness.evidence.log import Observation
from harness.report.live import Progress

_SEED = {"address": "", "mac": "", "phone_home_path": "", "ready_path": ""}


def shown(*rows: tuple[float, str, str, dict[str, Any]]) -> str:
    console = Console(file=io.StringIO(), width=100)
    with Progress(console) as progress:
        for row in rows:
            progress(Observation(*row))
    return console.file.getvalue()  # type: ignore[attr-defined]


def start(**more: Any) -> tuple[float, str, str, dict[str, Any]]:
    data = {"until": "network", "strict": False, "seed": _SEED, "medium": "disc", **more}
    return 0.0, "run", "start", data


def test_what_was_typed_is_said() -> None:
    key = {"prompt": "isolinux.menu", "place": "screen", "typed": ["ret"]}
    text = shown(start(), (0.1, "machine", "power-on", {}), (8.4, "machine", "key", key))
    assert text.splitlines() == ["    0.1 s  power-on", "    8.4 s  answered isolinux.menu"]


def test_each_part_of_an_installation_begins_anew() -> None:
    on = (0.1, "machine", "power-on", {})
    text = shown(start(), on, start(part="installing, with answers for \x1b[31mDebian"), on)
    assert text.count("power-on") == 2
    assert "installing, with answers for" in text
    assert "\x1b" not in text


def test_what_an_installation_does_is_counted() -> None:
    progress = Progress(Console(file=io.StringIO(), width=100))
    for row in (
        start(part="installing"),
        (5.0, "disk", "writes", {"written_bytes": 123_400_000}),
        (6.0, "network", "frames", {"count": 45}),
        (7.0, "serial", "line", {"text": "Installing the base system", "offset": 0}),
    ):
        progress(Observation(*row))
    console = Console(file=io.StringIO(), width=100)
    console.print(progress.render())
    line = console.file.getvalue()  # type: ignore[attr-defined]
    assert "123.4 MB written  45 frames  Installing the base system" in line

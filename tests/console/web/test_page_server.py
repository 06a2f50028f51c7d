"""Serving: where, what is said of it, and a recorded run that is told nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from harness.console.player import Player
from harness.console.web.page_server import address_warning, serving
from harness.console.web.recorded_run import RecordedRun
from harness.errors import StateError, UsageError
from tests.report.samples import unpack


@pytest.mark.parametrize("name", ["reset", "qmp", "swap"])
def test_recorded_machine_takes_no_actions(tmp_path: Path, name: str) -> None:
    replayed = RecordedRun(Player(unpack("healthy-tiny", tmp_path)))
    with pytest.raises(StateError, match="recorded"):
        asyncio.run(replayed.do(name))
    with pytest.raises(UsageError, match="never came there"):
        asyncio.run(replayed.do("seek", where="\x1b[2J"))


def test_an_address_of_another_machine_cannot_be_bound_to(tmp_path: Path) -> None:
    async def run() -> None:
        replayed = RecordedRun(Player(unpack("healthy-tiny", tmp_path)))
        async with serving(replayed, (), "192.0.2.1"):
            pytest.fail("it is bound")

    with pytest.raises(UsageError, match=r"--web-bind 192\.0\.2\.1"):
        asyncio.run(run())


def test_network_address_gives_a_warning() -> None:
    assert address_warning("127.0.0.1") == address_warning("::1") == ""
    assert "unencrypted" in address_warning("192.0.2.1")

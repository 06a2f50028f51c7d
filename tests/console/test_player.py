"""A recorded run, played by a clock of the test."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.console.player import Player
from harness.errors import StateError, UsageError
from harness.evidence import events


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def player(panic_run: Path, clock: Clock) -> Player:
    return Player(panic_run, clock)


def test_player_moves_with_the_clock(player: Player, clock: Clock) -> None:
    clock.now_s += 5
    player.tick()
    assert player.now_s() == 0.0, "nobody has said play"
    player.play()
    clock.now_s += 5
    player.tick()
    assert player.now_s() == pytest.approx(5.0)
    assert player.view.stage == "bootloader"
    player.pause()
    clock.now_s += 60
    player.tick()
    assert player.now_s() == pytest.approx(5.0)
    player.play()
    player.faster()
    clock.now_s += 4
    player.tick()
    assert (player.speed, player.now_s()) == (2.0, pytest.approx(13.0))
    assert player.view.stage == "kernel"
    clock.now_s += 600
    player.tick()
    assert player.now_s() == player.end_s
    assert not player.plays
    player.play()
    assert player.now_s() == 0.0, "from the end it starts over"


def test_player_seeks_to_a_stage_and_back(player: Player) -> None:
    player.seek("kernel")
    assert player.view.stage == "kernel"
    assert player.view.verdict is None
    player.seek("verdict")
    assert player.view.verdict is not None
    player.seek("firmware")
    assert player.view.stage == "firmware"
    assert player.view.verdict is None
    with pytest.raises(UsageError, match="never came there"):
        player.seek("ready")
    player.seek(-5)
    assert player.now_s() == 0.0
    player.seek(1e9)
    assert player.now_s() == player.end_s


def test_late_watcher_gets_all_observations(player: Player) -> None:
    early: list[float] = []
    player.watch(lambda row, _: early.append(row.t_s))
    player.seek("kernel")
    late: list[float] = []
    stop = player.watch(lambda row, _: late.append(row.t_s))
    assert early == late
    player.seek("root")
    assert early == late
    stop()
    player.seek("verdict")
    assert len(early) > len(late)


def test_serial_bytes_come_from_the_raw_log(write_run: Callable[..., Path]) -> None:
    raw = b"one\r\n\r\nlogin: root\r\nthe last"
    rows = [
        (1.0, events.SerialLine("one", 0)),
        (2.0, events.SerialPrompt("login: ", 7)),
        (3.0, events.SerialLine("login: root", 7)),
        (4.0, events.SerialPrompt("the last", 20)),
    ]
    player = Player(write_run(rows, raw))
    heard: list[bytes] = []
    player.watch_serial(heard.append)
    said = []
    for at_s in (1.0, 2.0, 3.0, 4.0):
        player.seek(at_s)
        said.append(b"".join(heard))
    assert said == [b"one\r\n\r\n", b"one\r\n\r\nlogin: ", raw[:20], raw]
    player.seek(1.5)
    assert b"".join(heard).rpartition(b"\x1bc")[2] == b"one\r\n\r\n", "the terminal is cleared"


def test_serial_bytes_come_from_texts_without_a_raw_log(panic_run: Path) -> None:
    player = Player(panic_run)
    heard: list[bytes] = []
    player.watch_serial(heard.append)
    player.seek("verdict")
    said = b"".join(heard)
    assert b"Kernel panic - not syncing: Attempted to kill init!" in said
    assert said.count(b"init: nothing to do") == 1


def test_recorded_machine_cannot_be_controlled(player: Player) -> None:
    with pytest.raises(StateError, match="recorded"):
        player.type(b"x")
    with pytest.raises(StateError, match="recorded"):
        asyncio.run(player.do("reset"))


def test_other_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no evidence"):
        Player(tmp_path)

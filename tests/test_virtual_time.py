"""Virtual time passes in order, and without waiting."""

from __future__ import annotations

import asyncio

import pytest

from tests.virtual_time import run_in_virtual_time, virtual_now_s


def test_days_pass_in_their_order() -> None:
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        woken.append((name, virtual_now_s()))

    async def both() -> None:
        await asyncio.gather(sleeper("later", 200_000), sleeper("sooner", 1.5))

    run_in_virtual_time(both())
    assert woken == [("sooner", 1.5), ("later", 200_000)]


def test_a_wait_without_end_is_a_failure() -> None:
    with pytest.raises(RuntimeError, match="for ever"):
        run_in_virtual_time(asyncio.Event().wait())

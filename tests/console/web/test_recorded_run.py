"""A recorded run in the page: played, moved to a stage, and told nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from harness.console.player import Player
from harness.console.web.page_server import serving
from harness.console.web.recorded_run import RecordedRun, replay_action_rows
from harness.session.loop import LoopThread
from tests.report.samples import unpack

pytestmark = pytest.mark.programs


@asynccontextmanager
async def served(run_dir: Path) -> AsyncIterator[str]:
    """The link to a page that shows the run."""
    player = Player(run_dir)
    replayed = RecordedRun(player)
    async with serving(replayed, replay_action_rows(player)) as place:
        moving = asyncio.create_task(replayed.move())
        yield place.new_link()
        moving.cancel()


def test_recorded_run_is_played_in_the_page(browser: Browser, tmp_path: Path) -> None:
    run_dir = unpack("fstab-vda", tmp_path)
    thread = LoopThread(lambda: served(run_dir))
    page = browser.new_context().new_page()
    page.goto(thread.start())
    page.locator("#verdict b", has_text="open").wait_for()
    page.get_by_role("button", name="Go to stage").click()
    page.get_by_label("what, and for what").select_option(label_of(run_dir, "kernel"))
    page.locator("#ask button.yes").click()
    page.locator("#ladder .now", has_text="kernel").wait_for()
    page.get_by_label("what, and for what").select_option(label_of(run_dir, "verdict"))
    page.locator("#ask button.yes").click()
    page.locator("#verdict b.fail").wait_for()
    page.locator("#serial .xterm-rows > div", has_text="Emergency Mode").first.wait_for()
    assert page.locator("#findings li").count() >= 1
    assert page.locator("#rules li .proves").count() >= 3
    assert page.locator("#screen-text").is_visible()
    page.get_by_role("button", name="Play").click()
    page.get_by_text("It plays, 1 times as fast.").wait_for()
    page.get_by_role("button", name="Pause").click()
    page.get_by_text("It stands still").wait_for()
    page.context.close()
    thread.stop()


def label_of(run_dir: Path, stage: str) -> str:
    (row,) = [row for row in replay_action_rows(Player(run_dir)) if row["name"] == "seek"]
    return str(next(c["label"] for c in row["choices"] if c["arguments"] == {"where": stage}))

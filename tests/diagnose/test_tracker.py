"""The tracker: its state after the events of a run, and the updates that it sends."""

from harness.diagnose.machine_state import DISK_SEEN
from harness.diagnose.tracker import Tracker
from harness.diagnose.updates import EventUpdate, FailureUpdate, RuleUpdate, Update
from harness.evidence import events
from tests.diagnose.script import Script


def test_a_line_that_was_seen_in_part_before_is_no_restart() -> None:
    version = "[    0.000000] Linux version 6.1.0"
    script = Script().booted().add(events.SerialPrompt(text=version + " (", offset=50))
    script.add(events.SerialLine(text=version + " (debian) 12", offset=50))
    assert script.judge().tracker.restarts == 0


def test_a_mute_kernel_is_seen_by_the_mode_of_its_processor() -> None:
    script = Script().booted().add(events.CpuModeChange(mode="long"))
    assert script.judge().tracker.timeline.furthest == "kernel"


def test_before_the_first_event_nothing_is_known() -> None:
    tracker = Tracker()
    assert tracker.start is None
    assert tracker.stage is None
    assert not tracker.has_come_up


def test_a_restart_forgets_the_signs_of_the_boot_and_keeps_the_stages_of_the_run() -> None:
    script = (
        Script()
        .booted()
        .serial("Linux version 6.1.0", "sd 2:0:0:0: [sda] 41943040 512-byte logical blocks")
    )
    assert DISK_SEEN in script.judge().tracker.state.signs
    script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    tracker = script.judge().tracker
    assert DISK_SEEN not in tracker.state.signs
    assert tracker.stage == "kernel"


def test_a_match_is_sent_before_what_it_proves_and_the_end_of_the_event_last() -> None:
    script = Script().booted().serial("Linux version 6.1.0")
    script.add(events.SerialPrompt(text="(initramfs) ", offset=99))
    tracker = Tracker()
    *earlier, prompt = script.rows
    for row in earlier:
        tracker.feed(row)
    updates: list[Update] = []
    tracker.watch(updates.append)
    tracker.feed(prompt)
    kinds = [type(update) for update in updates]
    assert kinds[0] is RuleUpdate
    assert kinds[-1] is EventUpdate
    assert FailureUpdate in kinds

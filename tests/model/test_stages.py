"""The stages of a boot and the timeline of those reached."""

from __future__ import annotations

from harness.model.stages import DISK_LADDER, ISO_LADDER, STAGES, Timeline, rank


def test_both_ladders_keep_the_order_of_the_stages() -> None:
    for ladder in (DISK_LADDER, ISO_LADDER):
        assert list(ladder) == sorted(ladder, key=rank)
    assert set(DISK_LADDER) | set(ISO_LADDER) == set(STAGES)
    assert ("installer" in ISO_LADDER, "installer" in DISK_LADDER) == (True, False)


def test_timeline_keeps_the_first_time_of_each_stage() -> None:
    line = Timeline()
    assert line.furthest == "power-on"
    assert line.reach("kernel", 2.0)
    assert not line.reach("firmware", 3.0), "it had come further before"
    assert not line.reach("kernel", 4.0)
    assert line.reach("network", 5.0)
    assert line.reached_s == {"kernel": 2.0, "firmware": 3.0, "network": 5.0}
    assert line.furthest == "network"

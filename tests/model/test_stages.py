"""The ladder of a boot, and how far one has come."""

from __future__ import annotations

from harness.model.stages import DISK_LADDER, ISO_LADDER, STAGES, Timeline, rank


def test_the_ladders_are_parts_of_one_order() -> None:
    for ladder in (DISK_LADDER, ISO_LADDER):
        assert list(ladder) == sorted(ladder, key=rank)
    assert set(DISK_LADDER) | set(ISO_LADDER) == set(STAGES)
    assert ("installer" in ISO_LADDER, "installer" in DISK_LADDER) == (True, False)


def test_each_stage_has_the_moment_at_which_it_was_first_seen() -> None:
    line = Timeline()
    assert line.furthest == "power-on"
    assert line.reach("kernel", 2.0)
    assert not line.reach("firmware", 3.0), "it had come further before"
    assert not line.reach("kernel", 4.0)
    assert line.reach("network", 5.0)
    assert line.reached_s == {"kernel": 2.0, "firmware": 3.0, "network": 5.0}
    assert line.furthest == "network"

"""How many machines fit on a host, and what each may write."""

from __future__ import annotations

import pytest

from harness.host.scratch import MIN_FREE_BYTES
from harness.machine.acceleration import Acceleration
from harness.matrix.capacity import Capacity, free_guest_slots, measure_capacity, write_limit_bytes


@pytest.mark.parametrize(
    ("fits", "jobs", "words"),
    [
        ((4, 9, 9), 4, "4 at once, by processors"),
        ((9, 3, 9), 3, "3 at once, by memory"),
        ((9, 9, 2), 2, "2 at once, by disk space"),
        ((2, 2, 9), 2, "2 at once, by processors and memory"),
        ((0, 5, 5), 1, "1 at once, by processors"),
        ((5, -3, 5), 1, "1 at once, by memory"),
    ],
)
def test_the_scarcest_resource_decides_and_one_machine_always_fits(
    fits: tuple[int, int, int], jobs: int, words: str
) -> None:
    capacity = Capacity(*fits, free_bytes=0)
    assert capacity.jobs == jobs
    assert capacity.description(jobs) == words


def test_a_given_number_of_jobs_is_reported_as_given() -> None:
    assert Capacity(4, 4, 4, 0).description(7) == "7 at once, as asked"


@pytest.mark.parametrize(
    ("free", "jobs", "limit"),
    [(9, 1, 8), (9, 4, 2), (9, 100, 1), (0, 1, 1)],
)
def test_each_run_has_its_share_and_room_for_a_boot(free: int, jobs: int, limit: int) -> None:
    assert write_limit_bytes(free * MIN_FREE_BYTES, jobs) == limit * MIN_FREE_BYTES


def test_a_machine_under_tcg_takes_two_processors() -> None:
    kvm = measure_capacity(Acceleration("kvm", "host", 1.0, ""), 1)
    tcg = measure_capacity(Acceleration("tcg", "max", 1.0, ""), 1)
    assert kvm.by_processors >= 1
    assert tcg.by_processors == kvm.by_processors // 2


def test_guests_larger_than_the_host_do_not_fit() -> None:
    assert free_guest_slots(1 << 40) <= 0
    assert free_guest_slots(1) >= free_guest_slots(1024)

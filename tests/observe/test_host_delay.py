"""The delay of a host, measured of a machine whose readings the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import cast

import pytest

from harness.machine.machine import Machine
from harness.observe.host_delay import PERIOD_S, HostDelay


@dataclass
class Readings:
    """The clock and the machine, as far as they are read."""

    now_s: float = 0.0
    waits_s: dict[str, float] = field(default_factory=dict)
    stopped: bool = False
    delays_s: list[float] = field(default_factory=list)

    def run_queue_waits_s(self) -> dict[str, float]:
        return dict(self.waits_s)

    def is_stopped(self) -> bool:
        return self.stopped


@pytest.fixture
def readings(monkeypatch: pytest.MonkeyPatch) -> Readings:
    # The host that the tests run on may be a guest itself, and lose time while they run.
    monkeypatch.setattr("harness.observe.host_delay.steal_s", lambda: 0.0)
    return Readings()


def delay_of(readings: Readings) -> HostDelay:
    machine = cast(Machine, readings)
    return HostDelay(machine, lambda: readings.now_s, readings.delays_s.append)


def test_a_host_that_keeps_up_delays_nothing(readings: Readings) -> None:
    delay = delay_of(readings)
    for _ in range(3):
        readings.now_s += PERIOD_S
        delay.measure()
    assert readings.delays_s == []


def test_the_wait_of_the_thread_that_waited_longest_is_the_delay(readings: Readings) -> None:
    readings.waits_s = {"1": 5.0, "2": 1.0}
    delay = delay_of(readings)
    readings.now_s += PERIOD_S
    readings.waits_s = {"1": 5.1, "2": 1.4, "3": 0.2}
    delay.measure()
    assert readings.delays_s == [pytest.approx(0.4)]


def test_more_than_has_passed_is_never_a_delay(readings: Readings) -> None:
    delay = delay_of(readings)
    readings.now_s += PERIOD_S
    readings.waits_s = {"1": 30.0}
    delay.measure()
    assert readings.delays_s == [PERIOD_S]


def test_all_time_of_a_stopped_machine_is_a_delay(readings: Readings) -> None:
    delay = delay_of(readings)
    readings.now_s += PERIOD_S
    readings.stopped = True
    delay.measure()
    readings.now_s += PERIOD_S
    readings.stopped = False
    delay.measure()
    readings.now_s += PERIOD_S
    delay.measure()
    assert readings.delays_s == [PERIOD_S, PERIOD_S]


def test_a_gap_of_our_own_is_a_delay(readings: Readings) -> None:
    delay = delay_of(readings)
    readings.now_s += 40 + PERIOD_S
    delay.measure()
    assert readings.delays_s == [40]

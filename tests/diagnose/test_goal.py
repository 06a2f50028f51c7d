"""The goal of a run: a stage for a disk image, three signs in any order for an ISO."""

import pytest

from harness.diagnose.goal import Goal
from harness.diagnose.machine_state import DISK_SEEN, MachineState
from harness.model.stages import Stage, Timeline


def timeline(*stages: Stage) -> Timeline:
    reached = Timeline()
    for at_s, stage in enumerate(stages):
        reached.reach(stage, float(at_s))
    return reached


def test_a_disk_passes_with_its_stage_or_a_later_one() -> None:
    goal = Goal("network")
    assert not goal.is_met(timeline("kernel", "userspace"), MachineState())
    assert goal.is_met(timeline("kernel", "network"), MachineState())
    assert goal.is_met(timeline("kernel", "seed"), MachineState())


@pytest.mark.parametrize("missing", ["installer", "network", DISK_SEEN])
def test_an_iso_passes_only_with_installer_disk_and_nic(missing: str) -> None:
    goal = Goal("network", "iso")
    stages: list[Stage] = ["kernel"]
    stages += [stage for stage in ("installer", "network") if stage != missing]
    signs = {DISK_SEEN} - {missing}
    assert not goal.is_met(timeline(*stages), MachineState(medium="iso", signs=signs))
    everything = timeline("kernel", "network", "installer")
    assert goal.is_met(everything, MachineState(medium="iso", signs={DISK_SEEN}))


def test_an_installation_passes_only_with_its_own_stage() -> None:
    goal = Goal("installed", "iso")
    state = MachineState(medium="iso", signs={DISK_SEEN})
    assert not goal.is_met(timeline("installer", "network"), state)
    assert goal.is_met(timeline("installer", "network", "installed"), state)


def test_failures_after_the_network_count_for_an_iso_only() -> None:
    reached = timeline("kernel", "network")
    assert Goal().is_decided_by(reached)
    assert not Goal("network", "iso").is_decided_by(reached)

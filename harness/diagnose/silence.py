"""What a silent machine proves: the last resort, where no line and no event has decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from harness.diagnose.stages import Stage, Timeline, rank


@dataclass(slots=True)
class Machine:
    """What the machine has done since it was last started."""

    cpu_mode: str = "real"
    read_bytes: int = 0
    reads_in_long_mode: bool = False
    frames: int = 0
    addresses: set[str] = field(default_factory=set)
    asked_for_dhcp: bool = False

    def take_disk_reads(self, read_bytes: int) -> None:
        """Note how much was read from the disk so far."""
        if self.cpu_mode == "long" and read_bytes > self.read_bytes:
            self.reads_in_long_mode = True
        self.read_bytes = read_bytes

    def take_frame(self, kind: str, source: str) -> None:
        """Note a frame of the guest."""
        self.frames += 1
        if kind.startswith("dhcp-"):
            self.asked_for_dhcp = True
        if source and source not in ("0.0.0.0", "::"):  # noqa: S104  addresses, no bind
            self.addresses.add(source)


_Condition = Callable[[Timeline, Machine], bool]


def _below(stage: Stage) -> _Condition:
    def holds(timeline: Timeline, _: Machine) -> bool:
        return rank(timeline.furthest) < rank(stage)

    return holds


# The first row that holds is the verdict. {waited} says how long, {addresses} what it used.
_ROWS: tuple[tuple[_Condition, str, str], ...] = (
    (
        _below("bootloader"),
        "boot.hung",
        "The firmware did not come to the point of starting the disk; {waited}.",
    ),
    (
        lambda timeline, machine: (
            rank(timeline.furthest) < rank("kernel") and machine.cpu_mode != "long"
        ),
        "boot.loader-failed",
        "The firmware started the disk's boot code, and no kernel came of it; {waited}.",
    ),
    (
        lambda _, machine: machine.frames > 0 and machine.asked_for_dhcp,
        "network.unconfigured",
        "The guest sends frames and asked for DHCP, which the provider does not promise; it never "
        "used the address that the seed gives it{addresses}; {waited}.",
    ),
    (
        lambda _, machine: machine.frames > 0,
        "network.unconfigured",
        "The guest sends frames, and never from the address that the seed gives it{addresses}; "
        "{waited}.",
    ),
    (
        lambda timeline, machine: (
            rank(timeline.furthest) >= rank("root") or machine.reads_in_long_mode
        ),
        "network.silent",
        "The system runs from its disk, and no frame ever left the NIC; {waited}.",
    ),
    (
        lambda *_: True,
        "boot.hung",
        "The kernel runs and got no further than the stage {stage}; {waited}.",
    ),
)


def judge_silence(timeline: Timeline, machine: Machine, waited: str) -> tuple[str, str]:
    """The id of the finding for a machine that does nothing any more, and its statement."""
    others = ", ".join(sorted(machine.addresses)[:4])
    for condition, finding_id, statement in _ROWS:
        if condition(timeline, machine):
            return finding_id, statement.format(
                waited=waited,
                stage=timeline.furthest,
                addresses=f" (it used {others})" if others else "",
            )
    raise AssertionError("the last row holds for every machine")

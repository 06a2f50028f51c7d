"""One more boot with one thing changed: where it would settle the cause of a failure, and how."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from harness.diagnose.diagnosis import Diagnosis, Outcome
from harness.diagnose.machine_state import DISK_SEEN
from harness.diagnose.stages import Stage, Until, rank
from harness.provider.profile import Firmware

Thing = Literal["disk", "nic", "firmware", "addressing"]


@dataclass(frozen=True, slots=True)
class Change:
    """What is changed, in words, and the stage that tells whether it made the difference.

    ``firmware`` is the one to boot with, None for the provider's.
    """

    thing: Thing
    instead: str
    provided: str
    until: Until
    firmware: Firmware | None = None

    @property
    def name(self) -> str:
        """The change as the result object has it."""
        return f"{self.instead} in place of {self.provided}"

    def verdict(self, outcome: Outcome, stage: Stage | None) -> str:
        """What the second boot proves, in one sentence."""
        if outcome == "pass":
            return f"Comes to the stage {stage} with {self.instead}, and not with {self.provided}."
        if outcome == "fail":
            return f"Fails with {self.instead} just as with {self.provided} (stage {stage})."
        return f"The boot with {self.instead} was not decided."


_SATA = Change("disk", "a SATA disk", "virtio-scsi", "root")
_E1000 = Change("nic", "an e1000 NIC", "virtio-net", "network")
_DHCP = Change("addressing", "DHCP in the seed", "a static address", "network")
_FIRMWARE: dict[Firmware, Change] = {
    "bios": Change("firmware", "UEFI", "BIOS", "kernel", "uefi"),
    "uefi": Change("firmware", "BIOS", "UEFI", "kernel", "bios"),
}

# Microsoft, Bug Check 0x7B: INACCESSIBLE_BOOT_DEVICE.
_NO_DISK = ("0x0000007b", "0x7b")

_Condition = Callable[[Diagnosis], bool]

# Cause, what else must hold, and what settles it. A boot more takes as long as the first one: what
# would only repeat what is known already is not here.
_SETTLES: tuple[tuple[str, _Condition, Change], ...] = (
    ("boot.disk-not-found", lambda seen: DISK_SEEN not in seen.state.signs, _SATA),
    ("boot.bugcheck", lambda seen: seen.state.facts.get("code", "").lower() in _NO_DISK, _SATA),
    ("network.silent", lambda _: True, _E1000),
    (
        "network.unconfigured",
        lambda seen: not seen.state.asked_for_dhcp and "finished" in seen.state.signs,
        _DHCP,
    ),
    ("firmware.uefi-only", lambda _: True, _FIRMWARE["bios"]),
    ("firmware.bios-only", lambda _: True, _FIRMWARE["uefi"]),
)


def what_would_settle(diagnosis: Diagnosis) -> Change | None:
    """The change that would settle the cause of a failed boot; None where none would."""
    verdict = diagnosis.verdict
    if verdict is None or verdict.outcome != "fail" or verdict.stage is None:
        return None
    if rank(verdict.stage) >= rank("network"):
        return None
    for cause, holds, change in _SETTLES:
        if cause == verdict.cause and holds(diagnosis):
            return change
    return None

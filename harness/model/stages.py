"""The stages of a boot in their order, and the times at which a boot reached them."""

from __future__ import annotations

from typing import Literal, get_args

Stage = Literal[
    "power-on",
    "firmware",
    "bootloader",
    "kernel",
    "initrd",
    "root",
    "userspace",
    "installer",
    "network",
    "installed",
    "rebooted",
    "seed",
    "ready",
]
STAGES: tuple[Stage, ...] = get_args(Stage)
"""All stages in the order of a boot; a disk image and an ISO each have some of them."""

_OF_ISOS: frozenset[Stage] = frozenset({"installer", "installed", "rebooted"})
_OF_DISKS: frozenset[Stage] = frozenset({"initrd", "root", "userspace", "seed", "ready"})
DISK_LADDER = tuple(stage for stage in STAGES if stage not in _OF_ISOS)
ISO_LADDER = tuple(stage for stage in STAGES if stage not in _OF_DISKS)

Until = Literal["kernel", "root", "network", "seed", "ready", "installer", "installed", "rebooted"]
"""The stage at which a run ends with a pass. ``kernel`` and ``root`` are for a second boot, which
only has to pass the point where the first one failed; the last three are for installations."""


_RANKS = {stage: position for position, stage in enumerate(STAGES)}


def rank(stage: Stage) -> int:
    """The position of ``stage`` on the ladder, from 0."""
    return _RANKS[stage]


class Timeline:
    """The stages reached, with the seconds since power-on at which each was first seen."""

    def __init__(self) -> None:
        self.reached_s: dict[Stage, float] = {}

    @property
    def furthest(self) -> Stage:
        """The highest stage that was reached; ``power-on`` where none was."""
        return max(self.reached_s, key=rank, default="power-on")

    def reach(self, stage: Stage, t_s: float) -> bool:
        """Record that ``stage`` was reached; tell whether it is the highest stage so far."""
        higher = not self.reached_s or rank(stage) > rank(self.furthest)
        self.reached_s.setdefault(stage, t_s)
        return higher

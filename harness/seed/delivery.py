"""The ways a seed reaches its guest: on a drive, or from a service that is asked over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from harness.model.hardware import SeedBus


@dataclass(frozen=True, slots=True)
class SeedDrive:
    """A read-only drive with the files of the seed: ``image`` is its ISO, ``bus`` its place."""

    image: Path
    bus: SeedBus


@dataclass(frozen=True, slots=True)
class SeedService:
    """A service that gives the seed to a guest that asks for it.

    ``bodies`` has the answer to a GET by its path; any other path is not found. The guest reaches
    it at ``address`` and ``port``, which need not be in its own network. ``smbios`` are values of
    QEMU's option of that name, by which a guest knows that there is such a service.
    """

    address: IPv4Address
    port: int
    bodies: Mapping[str, bytes]
    smbios: tuple[str, ...] = ()


SeedDelivery = SeedDrive | SeedService

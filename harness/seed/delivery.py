"""The deliveries of a seed: on a drive, or by an HTTP service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from harness.model.hardware import SeedBus


@dataclass(frozen=True, slots=True)
class SeedDrive:
    """A read-only drive with the files of the seed: ``image`` is its ISO, ``bus`` its bus."""

    image: Path
    bus: SeedBus


@dataclass(frozen=True, slots=True)
class SeedService:
    """An HTTP service that a guest fetches the seed from.

    ``bodies`` maps the path of a GET to its response; any other path is not found. The guest
    reaches the service at ``address`` and ``port``, which need not be in its own network.
    ``smbios`` are values of QEMU's option ``-smbios``, which tell a guest of the service.
    """

    address: IPv4Address
    port: int
    bodies: Mapping[str, bytes]
    smbios: tuple[str, ...] = ()


SeedDelivery = SeedDrive | SeedService

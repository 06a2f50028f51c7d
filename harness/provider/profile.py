"""A provider's profile: every claim about its hardware and limits, with its source."""

from __future__ import annotations

import datetime
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, Self, TypeVar

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

from harness.errors import UsageError
from harness.model.hardware import Addressing, Chipset, DiskBus, Firmware, SeedBus, SeedForm
from harness.model.table import parse_table, read_table, shipped_table

Value = TypeVar("Value")

Confidence = Literal["measured", "documented", "reported", "inferred", "chosen", "unknown"]
"""The ground of a claim: read off the real hardware; documented by the provider; reported by users;
inferred from other claims; chosen by us because nothing depends on it; not known."""


DEFAULT = "contabo"
"""The provider of a command that names none."""

# A shipped one has 5 KB.

FIRMWARE_OPTION = "--firmware"
"""The source of a firmware that is not the provider's."""


class _ProfileModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Claim(_ProfileModel, Generic[Value]):
    """One value that is claimed of the provider, with its source."""

    value: Value
    source: str = Field(min_length=1)
    date: datetime.date
    confidence: Confidence


PciAddress = Annotated[str, Field(pattern=r"^([0-9a-f]{2}:)?[0-9a-f]{2}\.[0-7]$")]
"""``slot.function`` on the root bus, or ``bus:slot.function`` behind a PCI Express root port."""


# The buses of CD-ROM and seed drives: the chipset's own controller, or a slot of the root bus.
_DRIVES: dict[Chipset, tuple[SeedBus, ...]] = {"pc": ("ide", "virtio-blk"), "q35": ("sata",)}


class MachineClaims(_ProfileModel):
    """The claims about the hardware, in QEMU's words."""

    chipset: Claim[Chipset]
    firmware: Claim[Firmware]
    secure_boot: Claim[bool]
    """True where the firmware starts only what Microsoft's keys have signed."""
    tpm: Claim[bool]
    cpus: Claim[Annotated[int, Field(ge=1, le=64)]]
    memory_mib: Claim[Annotated[int, Field(ge=256)]]
    disk_bus: Claim[DiskBus]
    disk_address: Claim[PciAddress]
    nic_address: Claim[PciAddress]
    balloon_address: Claim[PciAddress]
    mac_prefix: Claim[Annotated[str, Field(pattern=r"^[0-9a-f]{2}:[0-9a-f]{2}:[0-9a-f]{2}$")]]
    seed_bus: Claim[SeedBus]
    iso_bus: Claim[Literal["ide", "sata"]] = Field(
        # Profiles of users may still have the older name.
        validation_alias=AliasChoices("iso_bus", "disc_bus")
    )
    """The bus of the CD-ROM drive with the installer's ISO, which is tried after the empty disk."""
    target_size_bytes: Claim[Annotated[int, Field(ge=1 << 30)]]
    """The size of the disk that the installer installs to."""

    @model_validator(mode="after")
    def _is_one_machine(self) -> Self:
        """Raise ValueError for hardware that cannot be put together."""
        buses = _DRIVES[self.chipset.value]
        for name in ("seed_bus", "iso_bus"):
            if getattr(self, name).value not in buses:
                raise ValueError(f"{name}: a {self.chipset.value} has {' or '.join(buses)}")
        if self.secure_boot.value and (self.firmware.value, self.chipset.value) != ("uefi", "q35"):
            raise ValueError("secure_boot needs firmware uefi, and chipset q35 for its SMM")
        addresses = (self.disk_address, self.nic_address, self.balloon_address)
        if len({claim.value for claim in addresses}) < len(addresses):
            raise ValueError("disk, NIC and balloon need an address each")
        if self.chipset.value == "pc" and any(":" in claim.value for claim in addresses):
            raise ValueError("a pc has no root ports: give addresses as slot.function")
        return self

    @property
    def nic_name(self) -> str:
        """The name that systemd gives the NIC (systemd.net-naming-scheme(7), "ens", "enp")."""
        bus, _, place = self.nic_address.value.rpartition(":")
        slot = int(place.partition(".")[0], 16)
        return f"enp{int(bus, 16)}s{slot}" if bus else f"ens{slot}"


class SeedClaims(_ProfileModel):
    """The claims about the seed of a new machine."""

    form: Claim[SeedForm]
    ssh_key: Claim[bool]
    """True where it has a public key that logs in as root or as the image's user."""


class NetworkClaims(_ProfileModel):
    """The claims about the addresses of a guest."""

    addressing: Claim[Addressing]
    dhcp_guaranteed: Claim[bool]


class ImageClaims(_ProfileModel):
    """The claims about uploads. A claim that is left out is not known: there may be no limit."""

    formats: Claim[list[Literal["qcow2", "iso", "raw", "vmdk", "vpc", "vhdx", "vdi"]]]
    archives: Claim[list[Literal["gzip", "bzip2"]]]
    """The compression formats that the provider unpacks."""
    max_size_bytes: Claim[Annotated[int, Field(gt=0)]] | None = None
    quota_bytes: Claim[Annotated[int, Field(gt=0)]] | None = None
    windows_permitted: Claim[bool] | None = None


class Profile(_ProfileModel):
    """The profile of one provider."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,39}$")]
    title: Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f]+$")]
    machine: MachineClaims
    seed: SeedClaims
    network: NetworkClaims
    images: ImageClaims

    def with_firmware(self, firmware: Firmware | None) -> Profile:
        """Return this profile with ``firmware``; None leaves its own."""
        if firmware is None or firmware == self.machine.firmware.value:
            return self
        asked: Profile = self._with("firmware", _asked_for(firmware))
        # A BIOS has no Secure Boot to leave on.
        return asked.without_secure_boot() if firmware == "bios" else asked

    def without_secure_boot(self) -> Profile:
        """Return this profile with Secure Boot switched off."""
        if not self.machine.secure_boot.value:
            return self
        return self._with("secure_boot", _asked_for(False))

    def _with(self, name: str, claim: Claim[Any]) -> Profile:
        machine = self.machine.model_copy(update={name: claim})
        return self.model_copy(update={"machine": machine})

    @property
    def has_firmware_of_user(self) -> bool:
        """Tell whether the user asked for this firmware, whatever the provider has."""
        return self.machine.firmware.source == FIRMWARE_OPTION

    @property
    def firmware_description(self) -> str:
        """The words for the firmware, of the provider or of the machine that the user asked for."""
        owner = "the machine asked for" if self.has_firmware_of_user else self.title
        return f"{owner} has {'a BIOS' if self.machine.firmware.value == 'bios' else 'UEFI'}"


def _asked_for(value: Value) -> Claim[Value]:
    """Return a claim that the user made with an option."""
    today = datetime.datetime.now(tz=datetime.UTC).date()
    return Claim(value=value, source=FIRMWARE_OPTION, date=today, confidence="chosen")


@cache
def shipped_profiles() -> tuple[str, ...]:
    """Return the names of the shipped profiles, the default first."""
    names = sorted(
        entry.name.removesuffix(".toml")
        for entry in resources.files(__package__).iterdir()
        if entry.name.endswith(".toml")
    )
    return (DEFAULT, *(name for name in names if name != DEFAULT))


@cache
def load_profile(name: str) -> Profile:
    """Return the shipped profile ``name``.

    Raises UsageError if missing; a shipped profile that does not validate is a bug.
    """
    shipped = shipped_profiles()
    if name not in shipped:
        raise UsageError(f"--provider {name}: no such profile; there is {', '.join(shipped)}.")
    return shipped_table(__package__, f"{name}.toml", Profile)


def read_profile(path: Path) -> Profile:
    """Return the profile in a user's file; raises UsageError that names every fault in it."""
    return read_table(path, Profile)


def parse_profile(text: str, location: str) -> Profile:
    """Return the profile in TOML ``text``; raises UsageError that names every fault at once."""
    return parse_table(text, location, Profile)

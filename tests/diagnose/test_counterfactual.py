"""The choice of a second boot: only where it would settle the cause."""

from __future__ import annotations

import pytest

from harness.evidence import events
from harness.model.finding import Finding
from harness.model.hardware import Chipset, DiskBus
from tests.diagnose.script import Script, settling

_NO_DISK = ("Linux version 6.1.0", "ALERT!  UUID=0 does not exist.  Dropping to a shell!")
_SEEN = "sd 2:0:0:0: [sda] 41943040 512-byte logical blocks"


@pytest.mark.parametrize(
    ("script", "thing"),
    [
        (Script().booted().serial(*_NO_DISK), "disk"),
        (Script().booted().serial(_NO_DISK[0], _SEEN, _NO_DISK[1]), None),
        (Script().linux().silence(), "nic"),
        (Script().linux().frame("dhcp-discover", "0.0.0.0").silence(), None),
        (Script().linux().frame("arp-reply"), None),
        (Script().booted().serial("grub rescue> "), None),
        (Script().linux(), None),
    ],
)
def test_only_what_would_settle_the_cause_is_tried(script: Script, thing: str | None) -> None:
    change = settling(script)
    assert (change.thing if change else None) == thing


def test_the_result_of_a_second_boot_is_one_sentence() -> None:
    change = settling(Script().booted().serial(*_NO_DISK))
    assert change
    assert change.name == "a SATA disk in place of virtio-scsi"
    outcome = change.verdict("pass", "root")
    assert outcome == "Comes to the stage root with a SATA disk, and not with virtio-scsi."


@pytest.mark.parametrize(
    ("drivers", "name"),
    [
        ({}, "a SATA disk in place of virtio-scsi"),
        ({"ahci": "initramfs"}, "a SATA disk in place of virtio-scsi"),
        ({"ahci": "root", "ata_piix": "built in"}, "an IDE disk in place of virtio-scsi"),
        ({"ahci": "missing", "ata_piix": "root"}, None),
    ],
)
def test_the_guest_has_a_driver_for_the_other_disk(
    drivers: dict[str, str], name: str | None
) -> None:
    change = settling(Script(drivers=drivers).booted().serial(*_NO_DISK))
    assert (change.name if change else None) == name


@pytest.mark.parametrize(
    ("chipset", "bus", "drivers", "name"),
    [
        ("q35", "virtio-blk", {}, "a virtio-scsi disk in place of virtio-blk"),
        ("q35", "virtio-blk", {"ahci": "initramfs"}, "a SATA disk in place of virtio-blk"),
        ("q35", "virtio-scsi", {"ata_piix": "initramfs"}, None),
        (
            "q35",
            "virtio-scsi",
            {"virtio_blk": "built in"},
            "a virtio-blk disk in place of virtio-scsi",
        ),
        ("pc", "virtio-blk", {"ata_piix": "initramfs"}, "an IDE disk in place of virtio-blk"),
    ],
)
def test_the_machine_supports_the_bus_of_the_other_disk(
    chipset: Chipset, bus: DiskBus, drivers: dict[str, str], name: str | None
) -> None:
    script = Script(chipset=chipset, disk_bus=bus, drivers=drivers)
    change = settling(script.booted().serial(*_NO_DISK))
    assert (change.name if change else None) == name


@pytest.mark.parametrize(
    ("known", "thing"),
    [
        ((), "nic"),
        (("linux.cloud-init-missing",), None),
        (("linux.cloud-init-missing", "linux.virtio-net-missing"), "nic"),
    ],
)
def test_another_nic_is_not_tried_if_nothing_would_configure_it(
    known: tuple[str, ...], thing: str | None
) -> None:
    script = Script()
    for finding_id in known:
        row = Finding(id=finding_id, severity="warning", statement="It was found on the disk.")
        script.add(events.CheckFinding(finding=row))
    change = settling(script.linux().silence())
    assert (change.thing if change else None) == thing

"""What is in the running machine, asked of QEMU itself: the provider's devices and nothing else."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from harness.machine.backend import Backend
from tests.machine.inventory import ask

pytestmark = pytest.mark.boot

# vendor:device of everything on the PCI bus, by slot.function.
PCI = {
    "0.0": "8086:1237",  # i440FX
    "1.0": "8086:7000",  # PIIX3 ISA bridge
    "1.1": "8086:7010",  # PIIX3 IDE, where the seed is
    "1.3": "8086:7113",  # PIIX4 power management
    "2.0": "1234:1111",  # std VGA
    "3.0": "1af4:1002",  # virtio-balloon
    "5.0": "1af4:1004",  # virtio-scsi
    "18.0": "1af4:1000",  # virtio-net
}


# The same of a q35, whose devices are behind root ports.
Q35 = {
    "0.0": "8086:29c0",  # MCH
    "1.0": "1234:1111",  # std VGA
    "31.0": "8086:2918",  # ICH9 ISA bridge
    "31.2": "8086:2922",  # ICH9 AHCI, where the seed is
    "31.3": "8086:2930",  # ICH9 SMBus
}
ROOT_PORT = "1b36:000c"


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("inventory")
    image = folder / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    return asyncio.run(ask(folder, Backend()))


def test_it_waits_before_its_first_instruction(answers: dict[str, Any]) -> None:
    assert answers["query-status"]["running"] is False
    assert answers["query-status"]["status"] == "prelaunch"


def on_the_root_bus(answers: dict[str, Any]) -> dict[str, str]:
    (bus,) = answers["query-pci"]
    return {
        f"{row['slot']}.{row['function']}": f"{row['id']['vendor']:04x}:{row['id']['device']:04x}"
        for row in bus["devices"]
    }


def test_the_pci_bus_holds_the_providers_devices_and_no_other(answers: dict[str, Any]) -> None:
    assert on_the_root_bus(answers) == PCI


def test_the_image_is_the_only_disk_and_the_seed_the_only_iso(answers: dict[str, Any]) -> None:
    assert {row["qdev"]: row["inserted"]["ro"] for row in answers["query-block"]} == {
        "disk": False,
        "seed": True,
    }


def test_the_named_devices_are_these(answers: dict[str, Any]) -> None:
    named = {row["name"] for row in answers["/machine/peripheral"]} - {"type"}
    assert named == {"vga", "balloon", "scsi0", "disk", "seed", "nic", "serial0"}
    # Without a name of ours: the firmware's log, which no driver of a guest knows of.
    anonymous = [row["type"] for row in answers["/machine/peripheral-anon"]]
    assert anonymous.count("child<isa-debugcon>") == 1
    assert len([kind for kind in anonymous if kind.startswith("child<")]) == 1


def test_nothing_else_can_be_booted_or_networked_with(answers: dict[str, Any]) -> None:
    tree = answers["tree"]
    # The board has a floppy controller, as the provider's has; there is no drive on it.
    for device in ("floppy", "usb", "e1000", "rtl8139", "ahci", "virtio-blk", "ide-hd"):
        assert f"dev: {device}" not in tree, device
    assert tree.count("dev: ide-cd") == 1
    assert tree.count("dev: scsi-hd") == 1
    assert "efi-virtio" not in answers["rom"]
    assert "pxe" not in answers["rom"]
    assert "restrict=on" in answers["network"]


def behind_ports(tree: str) -> dict[str, list[str]]:
    """What is behind each root port, which the firmware gives its number only later."""
    found: dict[str, list[str]] = {}
    port, depth = "", 0
    for line in tree.splitlines():
        indent = len(line) - len(line.lstrip())
        if port and indent <= depth:
            port = ""
        if match := re.match(r" *bus: (port\d+)", line):
            port, depth = match[1], indent
            found[port] = []
        elif (match := re.match(r" *dev: ([\w-]+)", line)) and port and indent == depth + 2:
            found[port].append(match[1])
    return found


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        (
            "uefi-q35",
            {
                "port1": ["virtio-net-pci"],
                "port2": ["virtio-scsi-pci"],
                "port3": ["virtio-balloon-pci"],
            },
        ),
        (
            "libvirt",
            {
                "port1": ["virtio-net-pci"],
                "port2": [],
                "port3": [],
                "port4": ["virtio-blk-pci"],
                "port5": ["virtio-balloon-pci"],
            },
        ),
    ],
)
def test_a_q35_has_what_its_profile_names_and_no_other(
    tmp_path: Path, provider: str, expected: dict[str, list[str]]
) -> None:
    image = tmp_path / "image.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "64M"], check=True)
    answers = asyncio.run(ask(tmp_path, Backend(), provider))
    root = on_the_root_bus(answers)
    ports = [place for place, kind in root.items() if kind == ROOT_PORT]
    assert ports == [f"2.{number}" for number in range(len(expected))]
    assert {place: kind for place, kind in root.items() if place not in ports} == Q35
    tree = answers["tree"]
    assert behind_ports(tree) == expected
    for device in ("floppy", "usb", "e1000", "rtl8139", "ide-hd", "tpm"):
        assert f"dev: {device}" not in tree, device
    assert tree.count("dev: ide-cd") == 1
    assert tree.count("dev: ich9-ahci,") == 1
    assert tree.count("dev: scsi-hd") + tree.count("dev: virtio-blk-pci") == 1
    assert [row["inserted"]["ro"] for row in answers["query-block"]] == [False, True]
    assert "efi-virtio" not in answers["rom"]

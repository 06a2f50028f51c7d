"""Machines to start, and where they are talked to."""

from dataclasses import replace
from pathlib import Path

from harness.machine.spec import Endpoints, MachineSpec
from harness.seed.delivery import SeedDrive
from harness.seed.guest_network import GuestNetwork


def endpoints(folder: Path) -> Endpoints:
    return Endpoints(
        *(folder / name for name in ("qmp", "serial", "firmware", "receiver")),
        *(folder / name for name in ("network.pcap", "stderr")),
    )


def spec(folder: Path) -> MachineSpec:
    return MachineSpec(
        chipset="pc",
        cpus=2,
        memory_mib=2048,
        accelerator="tcg",
        cpu_model="max",
        image=folder / "image.qcow2",
        image_format="qcow2",
        disk_size_bytes=1 << 30,
        overlay=folder / "overlay.qcow2",
        seed=SeedDrive(folder / "seed.iso", "ide"),
        mac="00:50:56:12:34:56",
        disk_address="05.0",
        nic_address="12.0",
        balloon_address="03.0",
        network=GuestNetwork(),
    )


def iso_spec(folder: Path) -> MachineSpec:
    return replace(spec(folder), image=None, iso=folder / "installer.iso")

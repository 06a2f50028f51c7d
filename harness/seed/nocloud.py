"""The seed as a NoCloud drive: four files on an ISO 9660 labelled ``cidata``.

See cloud-init documentation, "Reference, Datasources, NoCloud". The network configuration is
version 2, for the NIC with this MAC. It has the name that the guest gives the NIC: cloud-init of
2020 (Debian 11) does not find the name by the MAC, and takes the written name for the device's.
"""

from __future__ import annotations

from pathlib import Path

from harness.model.hardware import SeedBus
from harness.seed.data_iso import write_data_iso
from harness.seed.delivery import SeedDrive
from harness.seed.seed import Seed, user_data

_LABEL = "cidata"


def nocloud_drive(seed: Seed, bus: SeedBus, folder: Path) -> SeedDrive:
    """Write the ISO of the drive into ``folder`` and return the drive."""
    drive = SeedDrive(folder / "seed.iso", bus)
    files = {name: text.encode() for name, text in nocloud_files(seed).items()}
    write_data_iso(_LABEL, files, drive.image)
    return drive


def nocloud_files(seed: Seed) -> dict[str, str]:
    """Return the four files by name.

    They are plain block YAML: some readers of a seed have no complete YAML parser.
    """
    net = seed.network
    return {
        "meta-data": f"instance-id: {seed.instance_id}\nlocal-hostname: harness\n",
        "user-data": user_data(seed),
        "vendor-data": "#cloud-config\n{}\n",
        "network-config": _NETWORK_CONFIGS[seed.addressing].format(
            key=seed.nic_name or "nic0",
            mac=seed.mac,
            name=f"    set-name: {seed.nic_name}\n" if seed.nic_name else "",
            address=f"{net.guest}/{net.subnet.prefixlen}",
            router=net.router,
            nameserver=net.nameserver,
            address_v6=f"{net.guest_v6}/{net.subnet_v6.prefixlen}",
            router_v6=net.router_v6,
        ),
    }


_NIC = """\
version: 2
ethernets:
  {key}:
    match:
      macaddress: "{mac}"
{name}"""
_NETWORK_CONFIGS = {
    "dhcp": _NIC + "    dhcp4: true\n",
    "static": _NIC
    + """\
    addresses:
      - {address}
    routes:
      - to: 0.0.0.0/0
        via: {router}
    nameservers:
      addresses:
        - {nameserver}
""",
    "static-dual-stack": _NIC
    + """\
    addresses:
      - {address}
      - {address_v6}
    routes:
      - to: 0.0.0.0/0
        via: {router}
      - to: ::/0
        via: {router_v6}
    nameservers:
      addresses:
        - {nameserver}
""",
}

"""The seed as a config drive: how OpenStack tells a new machine who it is.

An ISO 9660 labelled ``config-2`` with JSON below ``openstack/latest`` (Nova documentation,
"Config drives", and "network_data.json" in its metadata guide; cloud-init documentation,
"Reference, Datasources, ConfigDrive").
"""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

from harness.model.hardware import Addressing, SeedBus
from harness.seed.data_iso import write_data_iso
from harness.seed.delivery import SeedDrive
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import Seed, user_data

_LABEL = "config-2"
_FOLDER = "openstack/latest"
_LINK = "nic"


def config_drive(seed: Seed, bus: SeedBus, folder: Path) -> SeedDrive:
    """Write the drive into ``folder``."""
    drive = SeedDrive(folder / "seed.iso", bus)
    files = {name: text.encode() for name, text in config_drive_files(seed).items()}
    write_data_iso(_LABEL, files, drive.image)
    return drive


def config_drive_files(seed: Seed) -> dict[str, str]:
    """The files of the drive by their path."""
    meta_data: dict[str, Any] = {"uuid": seed.instance_id, "hostname": "harness", "name": "harness"}
    if seed.authorized_key:
        meta_data["public_keys"] = {"harness": seed.authorized_key}
    network = network_data(seed.mac, seed.addressing, seed.network)
    return {
        f"{_FOLDER}/meta_data.json": json.dumps(meta_data),
        f"{_FOLDER}/network_data.json": json.dumps(network),
        f"{_FOLDER}/user_data": user_data(seed),
        f"{_FOLDER}/vendor_data.json": "{}",
    }


def network_data(mac: str, addressing: Addressing, network: GuestNetwork) -> dict[str, Any]:
    """Return the content of ``network_data.json`` for the NIC with this MAC."""
    link = {"id": _LINK, "type": "phy", "ethernet_mac_address": mac, "mtu": 1500}
    if addressing == "dhcp":
        rows = [{"id": "network0", "type": "ipv4_dhcp", "link": _LINK, "network_id": "network0"}]
        return {"links": [link], "networks": rows, "services": []}
    networks: list[dict[str, Any]] = [
        {
            "id": "network0",
            "type": "ipv4",
            "link": _LINK,
            "network_id": "network0",
            "ip_address": str(network.guest),
            "netmask": str(network.subnet.netmask),
            "routes": [_default_route("0.0.0.0", network.router)],  # noqa: S104  an address, no bind
        }
    ]
    if addressing == "static-dual-stack":
        networks.append(
            {
                "id": "network1",
                "type": "ipv6",
                "link": _LINK,
                "network_id": "network1",
                "ip_address": str(network.guest_v6),
                "netmask": str(network.subnet_v6.netmask),
                "routes": [_default_route("::", network.router_v6)],
            }
        )
    services = [{"type": "dns", "address": str(network.nameserver)}]
    return {"links": [link], "networks": networks, "services": services}


def _default_route(everything: str, gateway: IPv4Address | IPv6Address) -> dict[str, str]:
    """Return the default route; ``everything`` is the address family's zero address."""
    return {"network": everything, "netmask": everything, "gateway": str(gateway)}

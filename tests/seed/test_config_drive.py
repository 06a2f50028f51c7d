import json
import subprocess
from pathlib import Path

import pytest

from harness.seed.config_drive import config_drive, config_drive_files, network_data
from harness.seed.guest_network import LEASED, GuestNetwork
from harness.seed.nocloud import nocloud_files
from harness.seed.seed import Seed, new_seed

MAC = "fa:16:3e:00:00:01"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA harness"


@pytest.fixture
def seed() -> Seed:
    return new_seed(MAC, LEASED, "dhcp", form="configdrive", authorized_key=KEY)


def test_the_drive_has_openstacks_label_and_files(seed: Seed, tmp_path: Path) -> None:
    iso, out = config_drive(seed, "ide", tmp_path).image, tmp_path / "out"
    listing = subprocess.run(["isoinfo", "-d", "-i", iso], capture_output=True, text=True).stdout
    assert "Volume id: config-2" in listing
    read = ["xorriso", "-osirrox", "on", "-indev", iso, "-extract", "/", out]
    subprocess.run(read, capture_output=True, check=True)
    folder = out / "openstack/latest"
    names = {"meta_data.json", "network_data.json", "user_data", "vendor_data.json"}
    assert {path.name for path in folder.iterdir()} == names
    meta_data = json.loads((folder / "meta_data.json").read_text())
    assert meta_data["uuid"] == seed.instance_id
    assert meta_data["public_keys"] == {"harness": KEY}
    assert (folder / "user_data").read_text() == nocloud_files(seed)["user-data"]


def test_nobody_logs_in_without_a_key() -> None:
    files = config_drive_files(new_seed(MAC, LEASED, "dhcp"))
    assert "public_keys" not in json.loads(files["openstack/latest/meta_data.json"])


def test_dhcp() -> None:
    data = network_data(MAC, "dhcp", LEASED)
    assert [row["type"] for row in data["networks"]] == ["ipv4_dhcp"]
    assert data["links"][0]["ethernet_mac_address"] == MAC


def test_a_static_address() -> None:
    (row,) = network_data(MAC, "static", GuestNetwork())["networks"]
    assert (row["ip_address"], row["netmask"]) == ("203.0.113.10", "255.255.255.0")
    assert row["routes"][0]["gateway"] == "203.0.113.1"


def test_both_families() -> None:
    _, row = network_data(MAC, "static-dual-stack", GuestNetwork())["networks"]
    assert (row["type"], row["ip_address"]) == ("ipv6", "2001:db8:113::10")
    assert row["netmask"] == "ffff:ffff:ffff:ffff::"
    assert row["routes"] == [{"network": "::", "netmask": "::", "gateway": "2001:db8:113::1"}]

import io
import subprocess
from pathlib import Path

import pycdlib
import pytest
import yaml

from harness.provider.profile import load_profile
from harness.seed.guest_network import GuestNetwork
from harness.seed.nocloud import nocloud_drive, nocloud_files
from harness.seed.seed import Seed, new_mac, new_seed

FILES = {"meta-data", "user-data", "vendor-data", "network-config"}


@pytest.fixture
def seed() -> Seed:
    return new_seed(new_mac("00:50:56"), GuestNetwork())


def test_the_network_is_static_and_matched_by_mac(seed: Seed) -> None:
    config = yaml.safe_load(nocloud_files(seed)["network-config"])
    assert config["version"] == 2, "and no top-level network: key"
    (nic,) = config["ethernets"].values()
    assert nic["match"] == {"macaddress": seed.mac}
    assert nic["addresses"] == ["203.0.113.10/24"]
    assert "dhcp4" not in nic
    assert "set-name" not in nic


def test_the_nic_has_the_name_that_the_guest_gives_it(seed: Seed) -> None:
    name = load_profile("contabo").machine.nic_name
    named = new_seed(seed.mac, seed.network, nic_name=name)
    config = yaml.safe_load(nocloud_files(named)["network-config"])
    assert list(config["ethernets"]) == [name] == ["ens18"]
    assert config["ethernets"][name]["set-name"] == name
    assert config["ethernets"][name]["match"] == {"macaddress": seed.mac}


def test_the_iso_is_labelled_cidata_and_holds_the_files(seed: Seed, tmp_path: Path) -> None:
    path = nocloud_drive(seed, "ide", tmp_path).image
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    for kind in ("rr_path", "joliet_path"):
        for name, text in nocloud_files(seed).items():
            out = io.BytesIO()
            iso.get_file_from_iso_fp(out, **{kind: f"/{name}"})
            assert out.getvalue().decode() == text
    iso.close()


def test_another_reader_sees_the_same_names(seed: Seed, tmp_path: Path) -> None:
    path = nocloud_drive(seed, "ide", tmp_path).image
    listing = subprocess.run(
        ["xorriso", "-indev", path, "-find", "/", "-type", "f"], capture_output=True, text=True
    ).stdout
    assert {line.strip("'/") for line in listing.split()} == FILES

import io
import subprocess
from pathlib import Path

import pycdlib
import pytest
import yaml

from harness.provider.profile import load_profile
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import Seed, new_mac, new_seed, seed_files, write_seed

FILES = {"meta-data", "user-data", "vendor-data", "network-config"}


@pytest.fixture
def seed() -> Seed:
    return new_seed(new_mac("00:50:56"), GuestNetwork())


def test_every_seed_is_new(seed: Seed) -> None:
    other = new_seed(new_mac("00:50:56"), GuestNetwork())
    assert seed.instance_id != other.instance_id
    assert seed.nonce != other.nonce
    assert seed.mac.startswith("00:50:56:")


def test_the_network_is_static_and_matched_by_mac(seed: Seed) -> None:
    config = yaml.safe_load(seed_files(seed)["network-config"])
    assert config["version"] == 2, "and no top-level network: key"
    (nic,) = config["ethernets"].values()
    assert nic["match"] == {"macaddress": seed.mac}
    assert nic["addresses"] == ["203.0.113.10/24"]
    assert "dhcp4" not in nic
    assert "set-name" not in nic


def test_the_nic_has_the_name_that_the_guest_gives_it(seed: Seed) -> None:
    name = load_profile("contabo").machine.nic_name
    named = new_seed(seed.mac, seed.network, nic_name=name)
    config = yaml.safe_load(seed_files(named)["network-config"])
    assert list(config["ethernets"]) == [name] == ["ens18"]
    assert config["ethernets"][name]["set-name"] == name
    assert config["ethernets"][name]["match"] == {"macaddress": seed.mac}


def test_both_families_of_addresses() -> None:
    both = new_seed(new_mac("00:50:56"), GuestNetwork(), "static-dual-stack")
    config = yaml.safe_load(seed_files(both)["network-config"])
    (nic,) = config["ethernets"].values()
    assert nic["addresses"] == ["203.0.113.10/24", "2001:db8:113::10/64"]
    assert [row["to"] for row in nic["routes"]] == ["0.0.0.0/0", "::/0"]
    assert both.address_v6 == "2001:db8:113::10"


def test_one_family_alone_has_no_second_address(seed: Seed) -> None:
    assert seed.address_v6 == ""


def test_the_guest_is_told_to_call_with_the_nonce(seed: Seed) -> None:
    text = seed_files(seed)["user-data"]
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config["phone_home"]["url"] == f"http://203.0.113.2/{seed.nonce}/phone-home"
    (command,) = config["runcmd"]
    assert f"http://203.0.113.2/{seed.nonce}/ready" in command
    subprocess.run(["sh", "-n"], input=command, text=True, check=True)
    code = command.partition("\n")[2].rpartition("END")[0]
    compile(code, "runcmd", "exec")


def test_root_is_let_in_by_a_key_only_where_there_is_one(seed: Seed) -> None:
    assert "ssh" not in seed_files(seed)["user-data"]
    assert "root" not in seed_files(seed)["user-data"]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA harness"
    other = new_seed(seed.mac, seed.network, authorized_key=key)
    config = yaml.safe_load(seed_files(other)["user-data"])
    assert config["ssh_authorized_keys"] == [key]
    assert config["disable_root"] is False
    assert set(config) > set(yaml.safe_load(seed_files(seed)["user-data"]))


def test_a_console_has_a_password_for_root_and_no_other_run_has() -> None:
    seed = new_seed("00:50:56:00:00:01", GuestNetwork(), root_password="0a1b2c3d")
    config = yaml.safe_load(seed_files(seed)["user-data"])
    assert config["chpasswd"] == {"expire": False, "list": "root:0a1b2c3d\n"}
    other = new_seed("00:50:56:00:00:01", GuestNetwork())
    assert "chpasswd" not in seed_files(other)["user-data"]


def test_the_iso_is_labelled_cidata_and_holds_the_files(seed: Seed, tmp_path: Path) -> None:
    path = tmp_path / "seed.iso"
    write_seed(seed, path)
    iso = pycdlib.PyCdlib()
    iso.open(str(path))
    assert iso.pvd.volume_identifier.decode().strip() == "cidata"
    for kind in ("rr_path", "joliet_path"):
        for name, text in seed_files(seed).items():
            out = io.BytesIO()
            iso.get_file_from_iso_fp(out, **{kind: f"/{name}"})
            assert out.getvalue().decode() == text
    iso.close()


def test_another_reader_sees_the_same_names(seed: Seed, tmp_path: Path) -> None:
    path = tmp_path / "seed.iso"
    write_seed(seed, path)
    listing = subprocess.run(
        ["xorriso", "-indev", path, "-find", "/", "-type", "f"], capture_output=True, text=True
    ).stdout
    assert {line.strip("'/") for line in listing.split()} == FILES

import subprocess

import pytest
import yaml

from harness.seed.guest_network import GuestNetwork
from harness.seed.nocloud import nocloud_files
from harness.seed.seed import Seed, new_mac, new_seed


@pytest.fixture
def seed() -> Seed:
    return new_seed(new_mac("00:50:56"), GuestNetwork())


def test_every_seed_is_new(seed: Seed) -> None:
    other = new_seed(new_mac("00:50:56"), GuestNetwork())
    assert seed.instance_id != other.instance_id
    assert seed.nonce != other.nonce
    assert seed.mac.startswith("00:50:56:")


def test_both_families_of_addresses() -> None:
    both = new_seed(new_mac("00:50:56"), GuestNetwork(), "static-dual-stack")
    config = yaml.safe_load(nocloud_files(both)["network-config"])
    (nic,) = config["ethernets"].values()
    assert nic["addresses"] == ["203.0.113.10/24", "2001:db8:113::10/64"]
    assert [row["to"] for row in nic["routes"]] == ["0.0.0.0/0", "::/0"]
    assert both.address_v6 == "2001:db8:113::10"


def test_one_family_alone_has_no_second_address(seed: Seed) -> None:
    assert seed.address_v6 == ""


def test_the_guest_is_told_to_call_with_the_nonce(seed: Seed) -> None:
    text = nocloud_files(seed)["user-data"]
    assert text.startswith("#cloud-config\n")
    config = yaml.safe_load(text)
    assert config["phone_home"]["url"] == f"http://203.0.113.2/{seed.nonce}/phone-home"
    (command,) = config["runcmd"]
    assert f"http://203.0.113.2/{seed.nonce}/ready" in command
    subprocess.run(["sh", "-n"], input=command, text=True, check=True)
    code = command.partition("\n")[2].rpartition("END")[0]
    compile(code, "runcmd", "exec")


def test_root_is_let_in_by_a_key_only_where_there_is_one(seed: Seed) -> None:
    assert "ssh" not in nocloud_files(seed)["user-data"]
    assert "root" not in nocloud_files(seed)["user-data"]
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA harness"
    other = new_seed(seed.mac, seed.network, authorized_key=key)
    config = yaml.safe_load(nocloud_files(other)["user-data"])
    assert config["ssh_authorized_keys"] == [key]
    assert config["disable_root"] is False
    assert set(config) > set(yaml.safe_load(nocloud_files(seed)["user-data"]))


def test_a_console_has_a_password_for_root_and_no_other_run_has() -> None:
    seed = new_seed("00:50:56:00:00:01", GuestNetwork(), root_password="0a1b2c3d")
    config = yaml.safe_load(nocloud_files(seed)["user-data"])
    assert config["chpasswd"] == {"expire": False, "list": "root:0a1b2c3d\n"}
    other = new_seed("00:50:56:00:00:01", GuestNetwork())
    assert "chpasswd" not in nocloud_files(other)["user-data"]

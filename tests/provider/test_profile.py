from importlib import resources

import pytest

import harness.provider
from harness.errors import UsageError
from harness.provider.profile import load_profile, parse_profile


def test_contabo_is_the_machine_that_was_read_off_its_hardware() -> None:
    machine = load_profile("contabo").machine
    assert machine.chipset.value == "pc"
    assert machine.firmware.value == "bios"
    assert (machine.disk_address.value, machine.nic_address.value) == ("05.0", "12.0")
    assert machine.chipset.confidence == "measured"


def test_an_unknown_profile_names_those_that_are_there() -> None:
    with pytest.raises(UsageError, match=r"no such profile; there is contabo"):
        load_profile("nimbus")


def test_every_fault_of_a_profile_is_named_at_once() -> None:
    text = resources.files(harness.provider).joinpath("contabo.toml").read_text()
    broken = text.replace('value = "12.0"', 'value = "99"').replace('value = "bios"', 'value = "x"')
    broken = broken.replace("[network.addressing]", "[network.adressing]")
    with pytest.raises(UsageError) as caught:
        parse_profile(broken, "mine.toml")
    for words in ("machine.nic_address", "machine.firmware", "network.addressing", "adressing"):
        assert words in str(caught.value)


def test_a_profile_with_the_older_key_disc_bus_is_read() -> None:
    text = resources.files(harness.provider).joinpath("contabo.toml").read_text()
    assert "[machine.iso_bus]" in text
    older = text.replace("[machine.iso_bus]", "[machine.disc_bus]")
    assert parse_profile(older, "mine.toml") == parse_profile(text, "contabo.toml")


def test_a_profile_without_iso_bus_is_refused_by_the_new_name() -> None:
    text = resources.files(harness.provider).joinpath("contabo.toml").read_text()
    without = text.replace("[machine.iso_bus]", "[machine.cd_bus]")
    with pytest.raises(UsageError, match=r"machine\.iso_bus: Field required"):
        parse_profile(without, "mine.toml")


def test_a_firmware_that_was_asked_for_is_no_claim_about_the_provider() -> None:
    profile = load_profile("contabo")
    assert profile.with_firmware(None) is profile
    assert profile.with_firmware("bios") is profile
    assert profile.firmware_description == f"{profile.title} has a BIOS"
    other = profile.with_firmware("uefi")
    claim = other.machine.firmware
    assert (claim.value, claim.source, claim.confidence) == ("uefi", "--firmware", "chosen")
    assert other.firmware_description == "the machine asked for has UEFI"
    assert profile.machine.firmware.value == "bios"

"""Addresses on PCI buses, and the root ports that they need."""

from __future__ import annotations

import pytest

from harness.machine.pci import address_properties, root_ports, slot_after


@pytest.mark.parametrize(
    ("address", "properties"),
    [
        ("05.0", "addr=05.0"),
        ("02:00.0", "bus=port2,addr=00.0"),
        ("0a:01.0", "bus=port10,addr=01.0"),
    ],
)
def test_a_device_is_on_the_root_bus_or_behind_a_port(address: str, properties: str) -> None:
    assert address_properties(address) == properties


def test_without_a_bus_there_is_no_port() -> None:
    assert root_ports(["05.0", "12.0"]) == []


def test_there_is_a_port_for_every_number_up_to_the_highest() -> None:
    ports = root_ports(["03:00.0"])[1::2]
    assert [port.split(",")[1] for port in ports] == ["id=port1", "id=port2", "id=port3"]
    assert [port.split(",")[5] for port in ports] == ["addr=02.0", "addr=02.1", "addr=02.2"]
    assert [("multifunction=on" in port) for port in ports] == [True, False, False]


def test_a_port_has_a_slot_that_nobody_named() -> None:
    (port,) = root_ports(["01:00.0", "02.0", "03.0"])[1::2]
    assert "addr=04.0" in port


def test_the_ninth_port_begins_another_slot() -> None:
    ninth = root_ports(["09:00.0"])[-1]
    assert "addr=03.0,multifunction=on" in ninth


@pytest.mark.parametrize(
    ("others", "free"), [([], "06.0"), (["06.0"], "07.0"), (["02:06.0", "1e.0"], "06.0")]
)
def test_the_first_slot_behind_one_that_is_free(others: list[str], free: str) -> None:
    assert slot_after("05.0", others) == free

"""The texts that a person enters, and their meaning."""

from __future__ import annotations

import pytest

from harness.console.actions import ACTIONS, SWAPS, key_codes, swap_of
from harness.console.controls import read_qmp
from harness.console.keys import key_bytes
from harness.errors import UsageError
from harness.provider.profile import load_profile


def test_every_action_has_a_name_and_a_key_of_its_own() -> None:
    assert len({row.name for row in ACTIONS}) == len(ACTIONS)
    keys = [row.key for row in ACTIONS]
    assert len({*keys, "q", "Q", "1", "2", "3", "4"}) == len(ACTIONS) + 6


def test_a_swap_changes_one_thing_of_the_providers_machine() -> None:
    profile = load_profile("contabo")
    hardware = profile.machine
    assert swap_of("disk-bus", "virtio-scsi", hardware) is None
    assert swap_of("nic", "virtio-net", hardware) is None
    assert swap_of("firmware", "uefi", profile.with_firmware("uefi").machine) is None
    changes = [
        swap_of(what, value, hardware)
        for what, values in SWAPS.items()
        for value in values
        if swap_of(what, value, hardware)
    ]
    assert len(changes) == 6
    for change in changes:
        assert change
        assert [change.disk_bus, change.nic_model, change.firmware].count(None) == 2
    uefi = swap_of("firmware", "uefi", hardware)
    assert uefi
    assert uefi.name == "UEFI in place of BIOS"
    for wrong in (("disk-bus", "floppy"), ("cpu", "fast"), ("", "")):
        with pytest.raises(UsageError, match="cannot be swapped"):
            swap_of(*wrong, hardware)


def test_a_swap_is_from_what_the_provider_has() -> None:
    hardware = load_profile("libvirt").machine
    assert swap_of("disk-bus", "virtio-blk", hardware) is None
    change = swap_of("disk-bus", "virtio-scsi", hardware)
    assert change
    assert change.name == "a virtio-scsi disk in place of virtio-blk"
    with pytest.raises(UsageError, match="a q35 has no such controller"):
        swap_of("disk-bus", "ide", hardware)


def test_key_codes_are_those_of_qemu() -> None:
    assert key_codes("ctrl-alt-F2") == ["ctrl", "alt", "f2"]
    assert key_codes("ret") == ["ret"]
    for wrong in ("", "-", "\x1b[A", "a b"):
        with pytest.raises(UsageError, match="is no key"):
            key_codes(wrong)


def test_qmp_command_has_three_spellings() -> None:
    assert read_qmp(" query-status ") == ("query-status", {})
    assert read_qmp('screendump {"filename": "x"}') == ("screendump", {"filename": "x"})
    assert read_qmp('{"execute": "stop", "arguments": {}}') == ("stop", {})
    for wrong in ("", "stop now", "{}", "[1]", '{"execute": 5}', "stop [1]", "{" * 100_000):
        with pytest.raises(UsageError, match="no QMP command"):
            read_qmp(wrong)


@pytest.mark.parametrize(
    ("key", "character", "typed"),
    [
        ("a", "a", b"a"),
        ("enter", "\r", b"\r"),
        ("backspace", "\x7f", b"\x7f"),
        ("ctrl+c", "\x03", b"\x03"),
        ("ctrl+q", None, b"\x11"),
        ("tab", "\t", b"\t"),
        ("escape", "\x1b", b"\x1b"),
        ("up", None, b"\x1b[A"),
        ("f1", None, b"\x1bOP"),
        ("o_umlaut", "\u00f6", b"\xc3\xb6"),
        ("shift+up", None, b""),
    ],
)
def test_a_key_is_typed_as_the_guest_expects_it(key: str, character: str, typed: bytes) -> None:
    assert key_bytes(key, character) == typed

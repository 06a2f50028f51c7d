import os

import pytest

from harness.errors import UsageError
from harness.machine.backend import Backend
from harness.machine.libvirt_address import choose_libvirt_address


@pytest.mark.parametrize(("uid", "uri"), [(0, "qemu:///system"), (1000, "qemu:///session")])
def test_root_has_the_libvirt_of_the_system_others_their_own(
    monkeypatch: pytest.MonkeyPatch, uid: int, uri: str
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    assert choose_libvirt_address(None) == uri


@pytest.mark.parametrize(
    ("uri", "is_remote"),
    [
        ("qemu:///system", False),
        ("qemu+unix:///system?socket=/run/x", False),
        ("qemu+ssh://host/system", True),
        ("qemu+ssh://me@host:2222/system?keyfile=/k", True),
    ],
)
def test_valid_addresses_are_accepted(uri: str, is_remote: bool) -> None:
    address = choose_libvirt_address(uri)
    assert (address, Backend("libvirt", address).is_remote) == (uri, is_remote)


@pytest.mark.parametrize(
    "uri",
    [
        "xen:///system",
        "qemu:///other",
        "qemu+tcp://host/system",
        "qemu+ssh:///system",
        "test:///default",
        "system",
        "qemu+ssh://host/session",
        "qemu+ssh://host:ssh/system",
    ],
)
def test_invalid_addresses_are_refused(uri: str) -> None:
    with pytest.raises(UsageError, match="--connect"):
        choose_libvirt_address(uri)


def test_root_has_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError, match="use qemu:///system"):
        choose_libvirt_address("qemu:///session")

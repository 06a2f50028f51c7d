"""Kickstart files, held against pykickstart, with which anaconda reads them."""

import warnings
from collections.abc import Callable

import pytest
from pykickstart.errors import KickstartError
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

TextOf = Callable[[str, str], str]
VERSIONS = ["RHEL8", "RHEL9", "RHEL10", "F40", "F43"]


def parsed(text: str, version: str) -> KickstartParser:
    """The file as read; raises KickstartError, or a warning where something is deprecated."""
    parser = KickstartParser(makeVersion(version))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parser.readKickstartFromString(text)
    return parser


@pytest.mark.parametrize("version", VERSIONS)
def test_pykickstart_takes_it(text_of: TextOf, version: str) -> None:
    handler = parsed(text_of("Fedora or RHEL", "ks.cfg"), version).handler
    (nic,) = handler.network.network
    assert (nic.device, nic.ip, nic.netmask) == (
        "00:50:56:0a:0b:0c",
        "203.0.113.10",
        "255.255.255.0",
    )
    assert (nic.gateway, nic.nameserver, nic.hostname) == ("203.0.113.1", "203.0.113.3", "harness")
    assert handler.clearpart.drives == ["sda"]
    assert handler.bootloader.appendLine == "console=tty0 console=ttyS0,115200"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("--bootproto=static", "--bootproto=fixed"),
        ("zerombr", "zerombrr"),
        ("rootpw --iscrypted", "rootpw --crypted"),
        ("%end", ""),
    ],
)
def test_pykickstart_refuses_a_wrong_one(text_of: TextOf, old: str, new: str) -> None:
    text = text_of("Fedora or RHEL", "ks.cfg")
    assert old in text
    with pytest.raises(KickstartError):
        parsed(text.replace(old, new), "RHEL9")

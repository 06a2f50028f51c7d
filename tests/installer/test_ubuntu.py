"""Autoinstall files, held against what subiquity's reference says of each key.

No package has subiquity's own schema, and its file is AGPL; so the keys in use are written down
here, from the "Autoinstall configuration reference manual" and autoinstall-schema.json.
"""

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

TextOf = Callable[[str, str], str]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Match(_Strict):
    macaddress: str = Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")


class _Route(_Strict):
    to: IPv4Network | Literal["default"]
    via: IPv4Address


class _Nameservers(_Strict):
    addresses: list[IPv4Address]


class _Ethernet(_Strict):
    match: _Match
    addresses: list[IPv4Interface]
    routes: list[_Route]
    nameservers: _Nameservers


class _Network(_Strict):
    version: Literal[2]
    ethernets: dict[str, _Ethernet]


class _Keyboard(_Strict):
    layout: str
    variant: str = ""
    toggle: str | None = None


class _Refresh(_Strict):
    update: bool
    channel: str = ""


class _Primary(_Strict):
    uri: str = Field(pattern=r"^http://")


class _Mirrors(_Strict):
    primary: list[_Primary | Literal["country-mirror"]]


class _Apt(_Strict):
    geoip: bool
    fallback: Literal["abort", "continue-anyway", "offline-install"]
    disable_suites: list[Literal["updates", "backports", "security", "proposed"]]
    mirror_selection: _Mirrors | None = Field(default=None, alias="mirror-selection")


class _LayoutMatch(_Strict):
    path: str


class _Layout(_Strict):
    name: Literal["lvm", "direct", "zfs"]
    match: _LayoutMatch


class _Swap(_Strict):
    size: int


class _Storage(_Strict):
    layout: _Layout
    swap: _Swap


class _Identity(_Strict):
    realname: str = ""
    username: str
    hostname: str
    password: str = Field(pattern=r"^\$6\$")


class _Ssh(_Strict):
    install_server: bool = Field(alias="install-server")


class Autoinstall(_Strict):
    version: Literal[1]
    locale: str
    keyboard: _Keyboard
    refresh_installer: _Refresh = Field(alias="refresh-installer")
    network: _Network
    apt: _Apt
    storage: _Storage
    identity: _Identity
    ssh: _Ssh
    late_commands: list[str | list[str]] = Field(alias="late-commands")
    shutdown: Literal["reboot", "poweroff"]


class CloudConfig(_Strict):
    autoinstall: Autoinstall


def checked(text: str) -> Autoinstall:
    assert text.startswith("#cloud-config\n"), "cloud-init reads nothing else"
    return CloudConfig.model_validate(yaml.safe_load(text)).autoinstall


def test_the_keys_are_those_of_the_reference(text_of: TextOf) -> None:
    autoinstall = checked(text_of("Ubuntu", "user-data"))
    (nic,) = autoinstall.network.ethernets.values()
    assert nic.addresses == [IPv4Interface("203.0.113.10/24")]
    assert autoinstall.shutdown == "poweroff"
    assert autoinstall.storage.layout.match.path == "/dev/sda"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: 1", "version: 7"),
        ("install-server: false", "install_server: false"),
        ("shutdown: poweroff", "shutdown: halt"),
        ("fallback: offline-install", "fallback: offline"),
        ("203.0.113.10/24", "203.0.113.10/33"),
        ("    geoip: false", "    geo-ip: false"),
    ],
)
def test_a_wrong_one_is_refused(text_of: TextOf, old: str, new: str) -> None:
    text = text_of("Ubuntu", "user-data")
    assert old in text
    with pytest.raises(ValidationError):
        checked(text.replace(old, new))


def test_what_is_no_yaml_is_refused(text_of: TextOf) -> None:
    with pytest.raises(yaml.YAMLError):
        checked(text_of("Ubuntu", "user-data").replace("    geoip: false", "  geoip: false"))


def test_the_live_system_has_the_same_network(text_of: TextOf) -> None:
    live: dict[str, Any] = yaml.safe_load(text_of("Ubuntu", "network-config"))
    installed = yaml.safe_load(text_of("Ubuntu", "user-data"))["autoinstall"]["network"]
    assert live == installed


def test_the_seed_has_an_instance(text_of: TextOf) -> None:
    meta = yaml.safe_load(text_of("Ubuntu", "meta-data"))
    assert meta == {"instance-id": "harness", "local-hostname": "harness"}

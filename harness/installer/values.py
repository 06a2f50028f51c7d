"""The values in the answers of a run: the machine's name, network, disk and password."""

from __future__ import annotations

import secrets
import string
from ipaddress import IPv4Address, IPv4Interface
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from harness.model.hardware import Firmware
from harness.seed.guest_network import GuestNetwork

# Every pattern excludes the characters that are special in any of the formats: quotes, blanks,
# brackets, ampersands. "$" is in a hash only, which a shell template puts in single quotes.
_HostName = Annotated[str, Field(pattern=r"^[a-z]([a-z0-9-]{0,13}[a-z0-9])?$")]
_Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
_Disk = Annotated[str, Field(pattern=r"^/dev/[a-z0-9]+$")]
_Hash = Annotated[str, Field(pattern=r"^\$6\$[./0-9A-Za-z]{1,16}\$[./0-9A-Za-z]{86}$")]
_Password = Annotated[str, Field(pattern=r"^[0-9A-Za-z-]{12,64}$")]
_Host = Annotated[str, Field(pattern=r"^[0-9A-Za-z.-]+(:[0-9]+)?$")]
_Directory = Annotated[str, Field(pattern=r"^/[0-9A-Za-z./_~+-]*$")]


class _ValuesModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PackageArchive(_ValuesModel):
    """A package archive that the guest reaches by HTTP: ``http://HOST/DIRECTORY``."""

    host: _Host
    directory: _Directory


class AnswerValues(_ValuesModel):
    """The values for templates. Their patterns make sure that no format needs an escape.

    A host name has 15 characters at most: Windows takes no more (Unattended Windows Setup
    Reference, ComputerName).
    """

    host_name: _HostName
    mac: _Mac
    address: IPv4Interface
    router: IPv4Address
    nameserver: IPv4Address
    disk: _Disk
    password: _Password
    password_hash: _Hash
    firmware: Firmware
    archive: PackageArchive | None = None

    def texts(self) -> dict[str, str]:
        """Return the text of each placeholder; those of the archive only where there is one."""
        texts = {
            "host_name": self.host_name,
            "mac": self.mac,
            "mac_with_dashes": self.mac.replace(":", "-"),
            "address": str(self.address.ip),
            "prefix_length": str(self.address.network.prefixlen),
            "netmask": str(self.address.netmask),
            "router": str(self.router),
            "nameserver": str(self.nameserver),
            "disk": self.disk,
            "disk_name": self.disk.removeprefix("/dev/"),
            "password": self.password,
            "password_hash": self.password_hash,
        }
        if self.archive:
            texts |= {
                "archive_host": self.archive.host,
                "archive_directory": self.archive.directory,
                "archive_url": f"http://{self.archive.host}{self.archive.directory}",
            }
        return texts


PLACEHOLDERS = frozenset(
    {
        "host_name",
        "mac",
        "mac_with_dashes",
        "disk",
        "disk_name",
        "password",
        "password_hash",
        "address",
        "prefix_length",
        "netmask",
        "router",
        "nameserver",
    }
)
"""The placeholders of every run."""

ARCHIVE_PLACEHOLDERS = frozenset({"archive_host", "archive_directory", "archive_url"})
"""The further placeholders of a run with an archive."""


def new_values(
    mac: str, network: GuestNetwork, firmware: Firmware, archive: PackageArchive | None = None
) -> AnswerValues:
    """Return the values of a run in ``network``, with a new password that is not kept.

    ``password_hash`` is the hash of no known password: nobody has to log in, and an installer
    checks only its format. ``password`` is for Windows, which needs it in plain text; it has
    capitals, small letters and digits, as its password policy requires.
    """
    return AnswerValues(
        host_name="harness",
        mac=mac,
        address=IPv4Interface(f"{network.guest}/{network.subnet.prefixlen}"),
        router=network.router,
        nameserver=network.nameserver,
        disk="/dev/sda",
        password=f"Pw1-{secrets.token_hex(8)}",
        password_hash=f"$6${_random_text(16)}${_random_text(86)}",
        firmware=firmware,
        archive=archive,
    )


def _random_text(length: int) -> str:
    """Return random characters of crypt(5)'s alphabet."""
    return "".join(
        secrets.choice(f"./{string.digits}{string.ascii_letters}") for _ in range(length)
    )

"""The seed: a provider's data for a new machine, in any form.

:mod:`harness.seed.forms` has the forms, and the delivery of each.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from harness.model.hardware import Addressing, SeedForm
from harness.seed.guest_network import GuestNetwork


@dataclass(frozen=True, slots=True)
class Seed:
    """The content of a run's seed. ``nonce`` is in every call that it makes the guest send.

    ``nic_name`` is the guest's name for its NIC, "" where it is not known. ``authorized_key`` is
    an OpenSSH public key for root; "" where nobody logs in. ``root_password`` is root's password
    at a console; "" leaves the image's own.
    """

    instance_id: str
    nonce: str
    mac: str
    network: GuestNetwork
    addressing: Addressing = "static"
    form: SeedForm = "nocloud"
    authorized_key: str = ""
    nic_name: str = ""
    root_password: str = ""

    @property
    def address_v6(self) -> str:
        """The guest's IPv6 address in the seed; "" without one."""
        return str(self.network.guest_v6) if self.addressing == "static-dual-stack" else ""

    @property
    def phone_home_path(self) -> str:
        """The path of the call by cloud-init's phone_home."""
        return f"/{self.nonce}/phone-home"

    @property
    def ready_path(self) -> str:
        """The path of the call with the result of cloud-init."""
        return f"/{self.nonce}/ready"


def new_mac(prefix: str) -> str:
    """Return a random MAC address that begins with the three bytes of ``prefix``."""
    return f"{prefix}:{secrets.token_bytes(3).hex(':')}"


def new_seed(
    mac: str,
    network: GuestNetwork,
    addressing: Addressing = "static",
    nic_name: str = "",
    *,
    form: SeedForm = "nocloud",
    authorized_key: str = "",
    root_password: str = "",
) -> Seed:
    """Return a seed for the NIC with ``mac``.

    Its instance id is new: cloud-init runs once per id.
    """
    return Seed(
        instance_id=f"i-{secrets.token_hex(8)}",
        nonce=secrets.token_hex(16),
        mac=mac,
        network=network,
        addressing=addressing,
        form=form,
        authorized_key=authorized_key,
        nic_name=nic_name,
        root_password=root_password,
    )


def user_data(seed: Seed) -> str:
    """Return the user-data of every form: the calls of cloud-init, and the logins."""
    net = seed.network
    return (
        _USER_DATA.format(
            call=f"http://{net.receiver}{seed.phone_home_path}",
            ready=f"http://{net.receiver}{seed.ready_path}",
        )
        + (_LOGIN.format(key=seed.authorized_key) if seed.authorized_key else "")
        + (_CONSOLE_LOGIN.format(password=seed.root_password) if seed.root_password else "")
    )


# A background process makes the second call: cloud-init has not ended while this runs.
_USER_DATA = """\
#cloud-config
phone_home:
  url: {call}
  post: all
  tries: 10
runcmd:
  - |
    nohup python3 - >/dev/null 2>&1 <<'END' &
    import json, subprocess, urllib.parse, urllib.request
    subprocess.run(["cloud-init", "status", "--wait"], capture_output=True)
    with open("/run/cloud-init/result.json") as file:
        result = json.load(file)["v1"]
    fields = {{"datasource": result["datasource"], "errors": json.dumps(result["errors"])}}
    data = urllib.parse.urlencode(fields).encode()
    urllib.request.urlopen("{ready}", data, 30)
    END
"""

# The default user's name differs between distributions; root's does not. Without the first line
# cloud-init puts a command before root's key that tells to log in as another user.
_LOGIN = """\
disable_root: false
ssh_authorized_keys:
  - {key}
"""

# Every cloud-init knows "list"; since 22.2 there is also "users".
_CONSOLE_LOGIN = """\
chpasswd:
  expire: false
  list: |
    root:{password}
"""

"""The seed: what a provider tells a new machine, whatever its form there.

:mod:`harness.seed.forms` has the forms, and how each reaches the guest.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from harness.model.hardware import Addressing, SeedForm
from harness.seed.guest_network import GuestNetwork


@dataclass(frozen=True, slots=True)
class Seed:
    """What a run's seed says. ``nonce`` is in every call that the guest makes because of it.

    ``nic_name`` is what the guest calls its NIC, "" where that is not known. ``authorized_key`` is
    a public key of OpenSSH that root is let in by; "" where nobody logs in. ``root_password`` is
    what root logs in with at a console; "" where the image's own rules hold.
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
        """The IPv6 address that it gives the guest; "" where it gives none."""
        return str(self.network.guest_v6) if self.addressing == "static-dual-stack" else ""

    @property
    def phone_home_path(self) -> str:
        """Where cloud-init's phone_home calls."""
        return f"/{self.nonce}/phone-home"

    @property
    def ready_path(self) -> str:
        """Where the guest tells how cloud-init ended."""
        return f"/{self.nonce}/ready"


def new_mac(prefix: str) -> str:
    """A random MAC address with the three bytes of ``prefix`` before it."""
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
    """A seed for the NIC with ``mac``, with a fresh instance id (cloud-init acts once per id)."""
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
    """The user-data of every form: cloud-init is to call, and who is let in."""
    net = seed.network
    return (
        _USER_DATA.format(
            call=f"http://{net.receiver}{seed.phone_home_path}",
            ready=f"http://{net.receiver}{seed.ready_path}",
        )
        + (_LOGIN.format(key=seed.authorized_key) if seed.authorized_key else "")
        + (_CONSOLE_LOGIN.format(password=seed.root_password) if seed.root_password else "")
    )


# The second call is made from the background: cloud-init is not over while this runs.
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

# Names of users differ from one distribution to the next; root's does not. Without the first line
# cloud-init puts a command before root's key that says to log in as somebody else.
_LOGIN = """\
disable_root: false
ssh_authorized_keys:
  - {key}
"""

# The list is what every cloud-init knows; 22.2 has another way beside it.
_CONSOLE_LOGIN = """\
chpasswd:
  expire: false
  list: |
    root:{password}
"""

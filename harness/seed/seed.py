"""The seed: what the provider's drive tells a new machine, in the form that it has there.

NoCloud is four files on an ISO 9660 labelled ``cidata`` (cloud-init documentation, "Reference,
Datasources, NoCloud"). Its network configuration is version 2, for the NIC with this MAC. It names
the NIC as the guest finds it there: cloud-init of 2020 (Debian 11) does not look for the name by
the MAC, and takes the one that is written for that of the device. The other form is
:mod:`harness.seed.config_drive`.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from harness.model.hardware import Addressing, SeedForm
from harness.seed.config_drive import CONFIG_DRIVE_LABEL, config_drive_files
from harness.seed.data_iso import write_data_iso
from harness.seed.guest_network import GuestNetwork

LABEL = "cidata"


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


def seed_files(seed: Seed) -> dict[str, str]:
    """The four files by name.

    Plain block YAML: not every reader of a seed is cloud-init with a whole YAML parser.
    """
    net = seed.network
    return {
        "meta-data": f"instance-id: {seed.instance_id}\nlocal-hostname: harness\n",
        "user-data": _user_data(seed),
        "vendor-data": "#cloud-config\n{}\n",
        "network-config": _NETWORK_CONFIGS[seed.addressing].format(
            key=seed.nic_name or "nic0",
            mac=seed.mac,
            name=f"    set-name: {seed.nic_name}\n" if seed.nic_name else "",
            address=f"{net.guest}/{net.subnet.prefixlen}",
            router=net.router,
            nameserver=net.nameserver,
            address_v6=f"{net.guest_v6}/{net.subnet_v6.prefixlen}",
            router_v6=net.router_v6,
        ),
    }


def _user_data(seed: Seed) -> str:
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

_NIC = """\
version: 2
ethernets:
  {key}:
    match:
      macaddress: "{mac}"
{name}"""
_NETWORK_CONFIGS = {
    "dhcp": _NIC + "    dhcp4: true\n",
    "static": _NIC
    + """\
    addresses:
      - {address}
    routes:
      - to: 0.0.0.0/0
        via: {router}
    nameservers:
      addresses:
        - {nameserver}
""",
    "static-dual-stack": _NIC
    + """\
    addresses:
      - {address}
      - {address_v6}
    routes:
      - to: 0.0.0.0/0
        via: {router}
      - to: ::/0
        via: {router_v6}
    nameservers:
      addresses:
        - {nameserver}
""",
}


def write_seed(seed: Seed, path: Path) -> None:
    """Write the ISO to ``path``."""
    label, files = LABEL, seed_files(seed)
    if seed.form == "configdrive":
        label = CONFIG_DRIVE_LABEL
        files = config_drive_files(
            seed.instance_id,
            _user_data(seed),
            seed.authorized_key,
            seed.mac,
            seed.addressing,
            seed.network,
        )
    write_data_iso(label, {name: text.encode() for name, text in files.items()}, path)

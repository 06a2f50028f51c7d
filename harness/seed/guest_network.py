"""The network of a run, for the seed and for the machine."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network


@dataclass(frozen=True, slots=True)
class GuestNetwork:
    """The closed network of a run: the guest, and a receiver for its calls; nothing else.

    The addresses are in TEST-NET-3 (RFC 5737, section 3), which no image has a reason to use
    already. ``router`` answers ARP and forwards nothing. The IPv6 addresses (RFC 3849) are only in
    the seed: nothing answers the guest there.
    """

    subnet: IPv4Network = IPv4Network("203.0.113.0/24")
    router: IPv4Address = IPv4Address("203.0.113.1")
    receiver: IPv4Address = IPv4Address("203.0.113.2")
    nameserver: IPv4Address = IPv4Address("203.0.113.3")
    guest: IPv4Address = IPv4Address("203.0.113.10")
    dhcp_start: IPv4Address = IPv4Address("203.0.113.100")
    receiver_port: int = 80
    knock_port: int = 22
    subnet_v6: IPv6Network = IPv6Network("2001:db8:113::/64")
    router_v6: IPv6Address = IPv6Address("2001:db8:113::1")
    guest_v6: IPv6Address = IPv6Address("2001:db8:113::10")


LEASED = GuestNetwork(guest=IPv4Address("203.0.113.100"))
"""The network of a guest that takes its address by DHCP: user networking has one client, and gives
it the first address of its range (``dhcp_start``)."""

"""A parser of Ethernet frames, as far as the proof of a network needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

# pcap savefile: magic, header of 24 bytes, records of 16 bytes before each packet
# (pcap-savefile(5)). QEMU's filter-dump writes it in the host's byte order.
_PCAP_MAGIC = b"\xd4\xc3\xb2\xa1"
_PCAP_HEADER_BYTES = 24
_PCAP_RECORD_BYTES = 16
# filter-dump's maxlen is 64 KiB; a longer record is not one that QEMU wrote.
_MAX_FRAME_BYTES = 1 << 17

# IEEE 802 numbers (ether types), RFC 826 (ARP), RFC 9293 (TCP flags), RFC 2131 and 2132 (DHCP).
_ARP, _IPV4, _IPV6 = 0x0806, 0x0800, 0x86DD
_TCP, _UDP, _ICMP, _ICMPV6 = 6, 17, 1, 58
# RFC 4861, 4.3: its target is at byte 8. From "::" it asks whether anybody has the address that its
# sender is about to take (RFC 4862, 5.4.2).
_NEIGHBOR_SOLICITATION = 135
_SYN, _RST, _ACK = 0x02, 0x04, 0x10
_DHCP_CLIENT, _DHCP_SERVER = 68, 67
_DHCP_COOKIE = b"\x63\x82\x53\x63"
_DHCP_TYPES = ("", "discover", "offer", "request", "decline", "ack", "nak", "release", "inform")


@dataclass(frozen=True, slots=True)
class EthernetFrame:
    """One frame. ``kind`` is its protocol and message; addresses are "" where it carries none."""

    source_mac: str
    kind: str
    source: str = ""
    target: str = ""


class CaptureReader:
    """A reader of a growing capture file, which yields the frames in it."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._started = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the frames that ``chunk`` completes. Raises ValueError where it is no capture."""
        self._pending += chunk
        if not self._started:
            if len(self._pending) < _PCAP_HEADER_BYTES:
                return
            if self._pending[:4] != _PCAP_MAGIC:
                raise ValueError("not a little-endian pcap savefile")
            del self._pending[:_PCAP_HEADER_BYTES]
            self._started = True
        while len(self._pending) >= _PCAP_RECORD_BYTES:
            (length,) = struct.unpack_from("<I", self._pending, 8)
            if length > _MAX_FRAME_BYTES:
                raise ValueError(f"a record of {length} bytes")
            end = _PCAP_RECORD_BYTES + length
            if len(self._pending) < end:
                return
            yield bytes(self._pending[_PCAP_RECORD_BYTES:end])
            del self._pending[:end]


def read_frame(frame: bytes) -> EthernetFrame:
    """Parse ``frame``. Never raises: a truncated frame is of kind ``other``."""
    if len(frame) < 14:
        return EthernetFrame("", "other")
    mac = frame[6:12].hex(":")
    (ether_type,) = struct.unpack_from("!H", frame, 12)
    payload = frame[14:]
    try:
        if ether_type == _ARP:
            return _arp(mac, payload)
        if ether_type == _IPV4:
            return _ipv4(mac, payload)
        if ether_type == _IPV6:
            return _ipv6(mac, payload)
    except (struct.error, ValueError, IndexError):
        pass
    return EthernetFrame(mac, "other")


def _arp(mac: str, packet: bytes) -> EthernetFrame:
    operation, sender, target = struct.unpack_from("!6xH6x4s6x4s", packet)
    kind = "arp-reply" if operation == 2 else "arp-request"
    if sender == target:
        kind = "arp-announcement"
    elif not any(sender):
        kind = "arp-probe"
    return EthernetFrame(mac, kind, str(IPv4Address(sender)), str(IPv4Address(target)))


def _ipv4(mac: str, packet: bytes) -> EthernetFrame:
    header_bytes = (packet[0] & 0x0F) * 4
    protocol = packet[9]
    source, target = (str(IPv4Address(packet[at : at + 4])) for at in (12, 16))
    body = packet[header_bytes:]
    if protocol == _TCP:
        return EthernetFrame(mac, _tcp_kind(body[13]), source, target)
    if protocol == _UDP:
        source_port, target_port = struct.unpack_from("!HH", body)
        if {source_port, target_port} == {_DHCP_CLIENT, _DHCP_SERVER}:
            return EthernetFrame(mac, _dhcp_kind(body[8:]), source, target)
        return EthernetFrame(mac, "udp", source, target)
    return EthernetFrame(mac, "icmp" if protocol == _ICMP else "ipv4", source, target)


def _tcp_kind(flags: int) -> str:
    if flags & _RST:
        return "tcp-reset"
    if flags & _SYN:
        return "tcp-syn-ack" if flags & _ACK else "tcp-syn"
    return "tcp"


def _dhcp_kind(message: bytes) -> str:
    """Return ``dhcp-discover`` and so on, by option 53; ``bootp`` without it."""
    options = message[236:]
    if options[:4] != _DHCP_COOKIE:
        return "bootp"
    at = 4
    while at + 2 < len(options) and options[at] != 255:
        if options[at] == 0:
            at += 1
            continue
        if options[at] == 53:
            kind = options[at + 2]
            return f"dhcp-{_DHCP_TYPES[kind]}" if 0 < kind < len(_DHCP_TYPES) else "bootp"
        at += 2 + options[at + 1]
    return "bootp"


def _ipv6(mac: str, packet: bytes) -> EthernetFrame:
    next_header = packet[6]
    source, target = (str(IPv6Address(packet[at : at + 16])) for at in (8, 24))
    if next_header != _ICMPV6:
        return EthernetFrame(mac, "ipv6", source, target)
    if source == "::" and packet[40:41] == bytes([_NEIGHBOR_SOLICITATION]):
        return EthernetFrame(mac, "ipv6-probe", source, str(IPv6Address(packet[48:64])))
    return EthernetFrame(mac, "icmpv6", source, target)

import struct
from ipaddress import IPv6Address
from pathlib import Path

import pytest

from harness.observe.frames import CaptureReader, EthernetFrame, read_frame

GUEST = bytes.fromhex("005056123456")
ROUTER = bytes.fromhex("5255cb007101")
GUEST_MAC = "00:50:56:12:34:56"
GUEST_IP, ROUTER_IP = bytes([203, 0, 113, 10]), bytes([203, 0, 113, 1])


def ethernet(ether_type: int, payload: bytes) -> bytes:
    return ROUTER + GUEST + struct.pack("!H", ether_type) + payload


def arp(operation: int, sender: bytes, target: bytes) -> bytes:
    return ethernet(
        0x0806,
        struct.pack("!HHBBH", 1, 0x0800, 6, 4, operation) + GUEST + sender + ROUTER + target,
    )


def ipv4(protocol: int, body: bytes, source: bytes = GUEST_IP, options: bytes = b"") -> bytes:
    words = 5 + len(options) // 4
    head = struct.pack("!BBHHHBBH", 0x40 | words, 0, 0, 0, 0, 64, protocol, 0)
    return ethernet(0x0800, head + source + ROUTER_IP + options + body)


def tcp(flags: int) -> bytes:
    return struct.pack("!HHIIBBHHH", 22, 40000, 0, 0, 0x50, flags, 0, 0, 0)


def dhcp(kind: int) -> bytes:
    options = b"\x63\x82\x53\x63" + b"\x00" + bytes([53, 1, kind]) + b"\xff"
    return struct.pack("!HHHH", 68, 67, 0, 0) + bytes(236) + options


GUEST_V6 = IPv6Address("2001:db8:113::10").packed


def probe(source: bytes = bytes(16)) -> bytes:
    """The question whether anybody has the guest's address (RFC 4862, 5.4.2)."""
    everybody = IPv6Address("ff02::1:ff00:10").packed
    solicitation = bytes([135, 0, 0, 0]) + bytes(4) + GUEST_V6
    header = struct.pack("!IHBB", 6 << 28, len(solicitation), 58, 255)
    return ethernet(0x86DD, header + source + everybody + solicitation)


@pytest.mark.parametrize(
    ("frame", "kind", "source"),
    [
        (arp(2, GUEST_IP, ROUTER_IP), "arp-reply", "203.0.113.10"),
        (arp(1, GUEST_IP, ROUTER_IP), "arp-request", "203.0.113.10"),
        (arp(1, GUEST_IP, GUEST_IP), "arp-announcement", "203.0.113.10"),
        (arp(1, bytes(4), GUEST_IP), "arp-probe", "0.0.0.0"),
        (ipv4(6, tcp(0x12)), "tcp-syn-ack", "203.0.113.10"),
        (ipv4(6, tcp(0x14)), "tcp-reset", "203.0.113.10"),
        (ipv4(6, tcp(0x02)), "tcp-syn", "203.0.113.10"),
        (ipv4(6, tcp(0x10), options=bytes(8)), "tcp", "203.0.113.10"),
        (ipv4(17, dhcp(1), bytes(4)), "dhcp-discover", "0.0.0.0"),
        (ipv4(17, dhcp(3), bytes(4)), "dhcp-request", "0.0.0.0"),
        (ipv4(17, struct.pack("!HHHH", 123, 123, 8, 0)), "udp", "203.0.113.10"),
        (ipv4(1, bytes(8)), "icmp", "203.0.113.10"),
        (ethernet(0x86DD, struct.pack("!IHBB", 6 << 28, 0, 58, 255) + bytes(32)), "icmpv6", "::"),
        (ethernet(0x88CC, bytes(20)), "other", ""),
        (probe(), "ipv6-probe", "::"),
        (probe(source=GUEST_V6), "icmpv6", "2001:db8:113::10"),
    ],
)
def test_each_kind_of_frame_is_recognised(frame: bytes, kind: str, source: str) -> None:
    read = read_frame(frame)
    assert (read.source_mac, read.kind, read.source) == (GUEST_MAC, kind, source)


def test_every_cut_of_a_frame_is_read_without_an_exception() -> None:
    for whole in (ipv4(17, dhcp(1)), ipv4(6, tcp(2)), arp(2, GUEST_IP, ROUTER_IP)):
        for length in range(len(whole)):
            assert isinstance(read_frame(whole[:length]), EthernetFrame)


def test_a_dhcp_option_that_runs_off_the_end_ends() -> None:
    message = struct.pack("!HHHH", 68, 67, 0, 0) + bytes(236) + b"\x63\x82\x53\x63" + b"\x01\xff"
    assert read_frame(ipv4(17, message)).kind == "bootp"


def capture(*frames: bytes) -> bytes:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65536, 1)
    return head + b"".join(struct.pack("<IIII", 0, 0, len(f), len(f)) + f for f in frames)


def test_a_capture_is_read_as_it_grows() -> None:
    data = capture(b"a" * 60, b"b" * 1500)
    reader = CaptureReader()
    frames = [frame for at in range(len(data)) for frame in reader.feed(data[at : at + 1])]
    assert frames == [b"a" * 60, b"b" * 1500]


def test_what_is_no_capture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pcap"):
        list(CaptureReader().feed(bytes(24)))
    huge = capture()[:24] + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30)
    with pytest.raises(ValueError, match="1073741824"):
        list(CaptureReader().feed(huge))


def test_a_probe_says_which_address_is_about_to_be_taken() -> None:
    assert read_frame(probe()).target == "2001:db8:113::10"


def test_a_truncated_probe_is_not_a_probe() -> None:
    assert read_frame(probe()[:70]).kind == "other"

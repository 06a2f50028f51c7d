"""What a console says of what it sees, in words."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harness.diagnose.diagnosis import Diagnosis
from harness.evidence.guest_text import printable
from harness.model.stages import Stage
from harness.session.follow import sentence_of

_TEXT_CHARS = 300

# Kind of a frame (harness.observe.frames) to what its sender does.
_FRAMES = {
    "arp-request": "{source} asks who has {target}",
    "arp-reply": "{source} tells {target} its MAC",
    "arp-announcement": "announces that it is {source}",
    "arp-probe": "asks whether anybody has {target}",
    "tcp-syn": "{source} calls {target} (TCP)",
    "tcp-syn-ack": "{source} takes {target}'s call (TCP)",
    "tcp-reset": "{source} refuses {target} (TCP)",
    "tcp": "{source} to {target} (TCP)",
    "udp": "{source} to {target} (UDP)",
    "icmp": "{source} to {target} (ICMP)",
    "ipv4": "{source} to {target} (IPv4)",
    "ipv6-probe": "takes {target} (IPv6)",
    "icmpv6": "{source} to {target} (ICMPv6)",
    "ipv6": "{source} to {target} (IPv6)",
    "dhcp-discover": "asks for a DHCP server",
    "dhcp-request": "asks DHCP for an address",
    "dhcp-release": "gives its DHCP address back",
    "dhcp-decline": "does not want the address of DHCP",
    "bootp": "asks by BOOTP",
    "other": "something else",
}
_STAGES: dict[Stage, str] = {
    "power-on": "it is switched on",
    "firmware": "the firmware runs",
    "bootloader": "the boot loader runs",
    "kernel": "the kernel runs",
    "initrd": "the initramfs runs",
    "root": "the root file system is mounted",
    "userspace": "the system comes up",
    "installer": "the installer runs",
    "network": "the network is reached",
    "installed": "it is installed",
    "rebooted": "what was installed came up",
    "seed": "the seed was read",
    "ready": "cloud-init is done",
}


def frame_words(data: Mapping[str, Any]) -> str:
    """A frame of the guest, as one safe line."""
    kind = str(data.get("what", "other"))
    addresses = {
        name: printable(str(data.get(name) or "nobody"), 60) for name in ("source", "target")
    }
    return _FRAMES.get(kind, printable(kind, 40)).format(**addresses)


def standing(diagnosis: Diagnosis, provider: str) -> str:
    """The diagnosis as it stands now, in a sentence or a few."""
    verdict = diagnosis.verdict
    if verdict is None:
        if not diagnosis.timeline.reached_s:
            return "The machine is not switched on yet."
        return f"Nothing is decided yet: {_STAGES[diagnosis.timeline.furthest]}."
    if verdict.outcome != "pass":
        return sentence_of(verdict)
    if verdict.stage is None:
        return f"{provider} takes this image; it was not booted."
    if diagnosis.state.medium == "disc" and verdict.stage == "network":
        return f"{provider} will start this disc: it finds the disk and the NIC."
    return f"{provider} will boot this image: {_STAGES[verdict.stage]}."


def event_words(data: Mapping[str, Any]) -> str:
    """An event of QEMU, as one safe line."""
    detail = data.get("detail")
    shown = json.dumps(detail) if detail else ""
    return printable(f"{data.get('name')} {shown}".rstrip(), _TEXT_CHARS)


def person_words(kind: str, data: Mapping[str, Any]) -> str:
    """What a person did, as one safe line."""
    said = f"{kind}: {data['said']}" if data.get("said") else kind
    return printable(said, _TEXT_CHARS)

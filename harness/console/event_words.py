"""Events and diagnoses as sentences for a console."""

from __future__ import annotations

import json

from harness.diagnose.diagnosis import Diagnosis
from harness.evidence.events import Frame, PersonAction, PersonAnswer, PersonRefusal, QmpEvent
from harness.evidence.guest_text import printable
from harness.model.stages import Stage
from harness.session.stage_waiter import verdict_sentence

_TEXT_CHARS = 300

# The kind of a frame (harness.observe.frames), and a sentence for it.
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


def frame_words(frame: Frame) -> str:
    """Return a frame of the guest as one safe line."""
    addresses = {
        "source": printable(frame.source or "nobody", 60),
        "target": printable(frame.target or "nobody", 60),
    }
    return _FRAMES.get(frame.what, printable(frame.what, 40)).format(**addresses)


def diagnosis_sentence(diagnosis: Diagnosis, provider: str) -> str:
    """Return the current diagnosis in a few sentences."""
    verdict = diagnosis.verdict
    if verdict is None:
        stage = diagnosis.tracker.stage
        if stage is None:
            return "The machine is not switched on yet."
        return f"Nothing is decided yet: {_STAGES[stage]}."
    if verdict.outcome != "pass":
        return verdict_sentence(verdict)
    if verdict.stage is None:
        return f"{provider} takes this image; it was not booted."
    if diagnosis.tracker.medium == "iso" and verdict.stage == "network":
        return f"{provider} will start this disc: it finds the disk and the NIC."
    return f"{provider} will boot this image: {_STAGES[verdict.stage]}."


def event_words(event: QmpEvent) -> str:
    """Return an event of QEMU as one safe line."""
    shown = json.dumps(dict(event.detail)) if event.detail else ""
    return printable(f"{event.name} {shown}".rstrip(), _TEXT_CHARS)


def person_words(event: PersonAction | PersonRefusal | PersonAnswer) -> str:
    """Return the action of a person, or its effect, as one safe line."""
    what = event.action if isinstance(event, PersonAction) else event.kind
    return printable(f"{what}: {event.said}" if event.said else what, _TEXT_CHARS)

"""The domain XML of a machine for libvirt: a pure function of its description.

libvirt says how the process runs. The machine itself is defined by the same QEMU arguments as
without libvirt, so it is the same machine to the last address. The elements here keep libvirt from
adding devices.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from harness.machine.qemu_args import machine_args
from harness.machine.spec import Endpoints, MachineSpec

_QEMU = "http://libvirt.org/schemas/domain/qemu/1.0"
# A machine that QEMU starts alone has none; libvirt would make one up, which the guest can see.
_NO_UUID = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class Placement:
    """The placement of a domain: its name, and how its QEMU runs.

    ``owner`` are the user and group that QEMU runs as, None for libvirt's default;
    ``unconfined`` is a security model that must not confine it, "" for none. ``processor`` is the
    host's processor that all processors of the guest share, None where the host schedules each.
    """

    name: str
    uuid: str
    emulator: Path
    owner: tuple[int, int] | None = None
    unconfined: str = ""
    processor: int | None = None


def domain_xml(spec: MachineSpec, endpoints: Endpoints, placement: Placement) -> str:
    """The domain, for libvirt 7.0 or newer. It is to be started paused."""
    ElementTree.register_namespace("qemu", _QEMU)
    domain = ElementTree.Element("domain", type="kvm" if spec.accelerator == "kvm" else "qemu")
    _add(domain, "name", placement.name)
    _add(domain, "uuid", placement.uuid)
    _add(domain, "memory", str(spec.memory_mib), unit="MiB")
    _add(domain, "vcpu", str(spec.cpus), placement="static")
    _add_turns(domain, spec, placement)
    _add(_add(domain, "os"), "type", "hvm", arch="x86_64", machine=spec.chipset)
    features = _add(domain, "features")
    _add(features, "acpi")
    _add(features, "apic")
    _add_devices(domain, placement)
    _add_security(domain, placement)
    commandline = _add(domain, f"{{{_QEMU}}}commandline")
    for word in (*machine_args(spec, endpoints), "-uuid", _NO_UUID):
        _add(commandline, f"{{{_QEMU}}}arg", value=word)
    ElementTree.indent(domain)
    return ElementTree.tostring(domain, encoding="unicode") + "\n"


def _add_turns(domain: ElementTree.Element, spec: MachineSpec, placement: Placement) -> None:
    """One processor of the host for all of the guest's."""
    if placement.processor is None:
        return
    tune = _add(domain, "cputune")
    for number in range(spec.cpus):
        _add(tune, "vcpupin", vcpu=str(number), cpuset=str(placement.processor))


def _add_devices(domain: ElementTree.Element, placement: Placement) -> None:
    """None of libvirt's own: a USB controller and a balloon would be there unasked."""
    devices = _add(domain, "devices")
    _add(devices, "emulator", str(placement.emulator))
    _add(devices, "controller", type="usb", model="none")
    _add(devices, "memballoon", model="none")
    _add(_add(devices, "video"), "model", type="none")


def _add_security(domain: ElementTree.Element, placement: Placement) -> None:
    if placement.owner:
        # Without relabel libvirt changes the owner of no file.
        label = _add(domain, "seclabel", type="static", model="dac", relabel="no")
        _add(label, "label", "+{}:+{}".format(*placement.owner))
    if placement.unconfined:
        _add(domain, "seclabel", type="none", model=placement.unconfined)


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, **attributes: str
) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, tag, attributes)
    child.text = text
    return child

"""The backend libvirt, of this host or of another."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from harness.errors import HostError
from harness.machine.acceleration import Acceleration, AcceleratorChoice, choose_acceleration
from harness.machine.backend import Backend
from harness.machine.host_check import HostCheck
from harness.machine.libvirt import launch_domain
from harness.machine.libvirt_link import INSTALL_BINDING, INSTALL_DAEMON, binding, daemon
from harness.machine.libvirt_remote import launch_remote_domain, remote_acceleration
from harness.machine.machine import Machine
from harness.machine.spec import Endpoints, MachineSpec


def launch(
    backend: Backend, spec: MachineSpec, endpoints: Endpoints
) -> AbstractAsyncContextManager[Machine]:
    """Return a machine that libvirt starts, stopped before its first instruction."""
    if backend.is_remote:
        return launch_remote_domain(backend.uri, spec, endpoints)
    return launch_domain(backend.uri, spec, endpoints)


def choose_acceleration_on(backend: Backend, choice: AcceleratorChoice) -> Acceleration:
    """Return the accelerator of the host on which libvirt starts machines."""
    if backend.is_remote:
        return remote_acceleration(backend.uri, choice)
    return choose_acceleration(choice)


def check_host() -> HostCheck:
    """Return the state of libvirt on this host. No daemon is started or connected to."""
    try:
        number = int(binding().getVersion())
    except HostError:
        return HostCheck("libvirt", "note", f"only --backend libvirt needs it. {INSTALL_BINDING}")
    if (program := daemon()) is None:
        return HostCheck("libvirt", "note", f"there is no libvirtd here. {INSTALL_DAEMON}")
    version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    return HostCheck("libvirt", "ok", f"{version}, {program}")

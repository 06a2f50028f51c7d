"""Starting a machine, by whichever backend was chosen."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from harness.machine.acceleration import Acceleration, Choice, choose_acceleration
from harness.machine.backend import Backend
from harness.machine.machine import Machine
from harness.machine.qemu import launch_qemu
from harness.machine.spec import Endpoints, MachineSpec


def launch(
    backend: Backend, spec: MachineSpec, endpoints: Endpoints
) -> AbstractAsyncContextManager[Machine]:
    """A machine, powered but stopped before its first instruction; gone when the block is left.

    Whoever reads its streams must be listening on the sockets of ``endpoints`` already; the
    monitor's is listened on here. Raises HostError where it does not start.
    """
    if backend.name == "qemu":
        return launch_qemu(spec, endpoints, backend.answer_timeout_s)
    # Here: libvirt-python is an extra that most do without.
    if backend.is_remote:
        from harness.machine.libvirt_remote import launch_remote_domain

        return launch_remote_domain(backend.uri, spec, endpoints)
    from harness.machine.libvirt import launch_domain

    return launch_domain(backend.uri, spec, endpoints)


def choose_acceleration_on(backend: Backend, choice: Choice) -> Acceleration:
    """Return the accelerator of the host that ``backend`` starts machines on.

    Raises HostError where the one that was asked for does not work there.
    """
    if not backend.is_remote:
        return choose_acceleration(choice)
    from harness.machine.libvirt_remote import remote_acceleration

    return remote_acceleration(backend.uri, choice)

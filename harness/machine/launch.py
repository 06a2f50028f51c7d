"""The table of backends, and the start of a machine by the one that was chosen."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.machine.backend import Backend, BackendAddress, BackendModule, BackendRow
from harness.machine.libvirt_address import choose_libvirt_address

if TYPE_CHECKING:
    from harness.machine.acceleration import Acceleration, AcceleratorChoice
    from harness.machine.machine import Machine
    from harness.machine.spec import Endpoints, MachineSpec


def _qemu() -> BackendModule:
    from harness.machine import qemu

    return qemu


def _libvirt() -> BackendModule:
    from harness.machine import libvirt_backend

    return libvirt_backend


BACKENDS: dict[str, BackendRow] = {
    "qemu": BackendRow("harness itself", _qemu),
    "libvirt": BackendRow(
        "libvirt (docs/libvirt.md)",
        _libvirt,
        not_with=("--install", "--hold-on-fail", "--all-providers"),
        address=BackendAddress(
            "where it is.  [default: qemu:///session, for root qemu:///system]",
            choose_libvirt_address,
        ),
    ),
}
"""Every backend by its name on the command line, the default first."""


def choose_backend(name: str, uri: str | None) -> Backend:
    """Return the backend that was asked for; raises UsageError for an address it cannot have."""
    address = BACKENDS[name].address
    if address:
        return Backend(name, address.choose(uri))
    if uri:
        others = " or ".join(f"--backend {other}" for other, row in BACKENDS.items() if row.address)
        raise UsageError(f"--connect: is for {others}.")
    return Backend(name)


def launch(
    backend: Backend, spec: MachineSpec, endpoints: Endpoints
) -> AbstractAsyncContextManager[Machine]:
    """Return a machine, stopped before its first instruction; gone when the block is left.

    The observers must listen on the sockets of ``endpoints`` already; the backend listens on the
    monitor's. Raises HostError where it does not start.
    """
    return BACKENDS[backend.name].load().launch(backend, spec, endpoints)


def choose_acceleration_on(backend: Backend, choice: AcceleratorChoice) -> Acceleration:
    """Return the accelerator of the host that ``backend`` starts machines on.

    Raises HostError where the one that was asked for does not work there.
    """
    return BACKENDS[backend.name].load().choose_acceleration_on(backend, choice)

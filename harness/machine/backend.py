"""The backends that start machines: the functions of each, and the choice of one for a run.

A backend is a module with the functions of :class:`BackendModule`, and a row in
:mod:`harness.machine.launch`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from harness.machine.acceleration import Acceleration, AcceleratorChoice
    from harness.machine.host_check import HostCheck
    from harness.machine.machine import Machine
    from harness.machine.spec import Endpoints, MachineSpec

ANSWER_TIMEOUT_S = 60.0
"""The timeout of QEMU's answers. It is long: under TCG on a loaded host the monitor may wait for
QEMU's big lock while a device is busy."""


@dataclass(frozen=True, slots=True)
class Backend:
    """The backend of a run: its name, and its address where it has one ("" where not).

    ``answer_timeout_s`` is the timeout of QEMU's monitor, to come up and for each answer.
    """

    name: str = "qemu"
    uri: str = ""
    answer_timeout_s: float = ANSWER_TIMEOUT_S

    @property
    def is_remote(self) -> bool:
        """True where the machines run on another host."""
        return self.uri.startswith("qemu+ssh:")


class BackendModule(Protocol):
    """The functions that the module of a backend has."""

    def launch(
        self, backend: Backend, spec: MachineSpec, endpoints: Endpoints
    ) -> AbstractAsyncContextManager[Machine]:
        """Return a machine, stopped before its first instruction; gone when the block is left.

        The observers listen on the sockets of ``endpoints`` already; the backend listens on the
        monitor's. Raises HostError where it does not start.
        """

    def choose_acceleration_on(self, backend: Backend, choice: AcceleratorChoice) -> Acceleration:
        """Return the accelerator of the host that it starts machines on.

        Raises HostError where the one that was asked for does not work there.
        """

    def check_host(self) -> HostCheck | None:
        """Return what ``harness doctor`` says of it; None where that is said of every run."""


@dataclass(frozen=True, slots=True)
class BackendAddress:
    """The address that a backend takes with ``--connect``.

    ``help`` ends a sentence of ``--help``. ``choose`` returns the address for what was given, or
    for nothing; it raises UsageError for one that cannot be meant.
    """

    help: str
    choose: Callable[[str | None], str]


@dataclass(frozen=True, slots=True)
class BackendRow:
    """One row of the table of backends.

    ``starter`` names who starts the machines, for ``--help``. ``load`` imports the module, which
    may need what most do without. ``not_with`` are options of ``harness verify`` that do not go
    with it.
    """

    starter: str
    load: Callable[[], BackendModule]
    not_with: tuple[str, ...] = ()
    address: BackendAddress | None = None

"""A running machine for scripts, notebooks and tests, opened by ``harness.open``."""

from harness.observe.ssh import CommandOutput
from harness.session.live import GuestAddress, LiveMachine
from harness.session.opening import RefusedError, open_machine
from harness.session.serial import Serial
from harness.session.stage_waiter import StageError, StageTimeoutError

__all__ = [
    "CommandOutput",
    "GuestAddress",
    "LiveMachine",
    "RefusedError",
    "Serial",
    "StageError",
    "StageTimeoutError",
    "open_machine",
]

"""A running machine for scripts, notebooks and tests: what ``harness.open`` gives."""

from harness.observe.ssh import CommandOutput
from harness.session.follow import StageError, StageTimeoutError
from harness.session.live import LiveMachine, Network
from harness.session.opening import RefusedError, open_machine
from harness.session.serial import Serial

__all__ = [
    "CommandOutput",
    "LiveMachine",
    "Network",
    "RefusedError",
    "Serial",
    "StageError",
    "StageTimeoutError",
    "open_machine",
]

"""A running machine for scripts, notebooks and tests: what ``harness.open`` gives."""

from harness.session.follow import StageError, StageTimeoutError
from harness.session.live import LiveMachine, Network
from harness.session.opening import RefusedError, open_machine
from harness.session.serial import Serial
from harness.session.ssh import Said

__all__ = [
    "LiveMachine",
    "Network",
    "RefusedError",
    "Said",
    "Serial",
    "StageError",
    "StageTimeoutError",
    "open_machine",
]

"""What is told of a matrix while it goes on: which image is where, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.matrix.record import Tried


@dataclass(frozen=True, slots=True)
class Moved:
    """An image is somewhere else than before.

    ``phase`` is ``building``, ``fetching``, a stage of a boot, or in words what is done besides.
    ``worker`` is the machine that does it, "" for this one.
    """

    name: str
    phase: str
    worker: str = ""


Teller = Callable[[Moved | Tried], None]
"""Who is told. It may be called from any thread."""

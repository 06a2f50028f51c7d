"""The progress of a matrix: the phase of each image, and its row at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.matrix.record import CaseRow


@dataclass(frozen=True, slots=True)
class PhaseChange:
    """The start of another phase of an image.

    ``phase`` is ``building``, ``fetching``, a stage of a boot, or another activity in words.
    ``worker`` is the machine that does it, "" for this one.
    """

    name: str
    phase: str
    worker: str = ""


ProgressListener = Callable[[PhaseChange | CaseRow], None]
"""A function that is called with every change. It may be called from any thread."""

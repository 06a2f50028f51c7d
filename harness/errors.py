"""The errors that harness raises on purpose, and the exit status of each.

::

    HarnessError
    ├── UsageError       2: the command cannot mean what was typed
    └── HostError        4: this host is at fault; nothing is said about the image

What an image does wrong is not an error of the program: it is a finding
(:mod:`harness.model.finding`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class HarnessError(Exception):
    """Base of all of them. ``str()`` is one sentence: what, where, what to do."""

    exit_status = 4


class UsageError(HarnessError):
    """The command line names something that cannot be used: a missing file, a bad option."""

    exit_status = 2


class HostError(HarnessError):
    """The host cannot do what was asked.

    ``finding_id`` is the ``host.*`` id of the result object.
    """

    exit_status = 4

    def __init__(self, finding_id: str, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.finding_id = finding_id
        self.remedy = remedy


def faults_in_words(error: ValidationError) -> str:
    """Every fault of data that does not validate, with its place: ``rule.0.id: Field required``."""
    return "; ".join(
        f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
        for fault in error.errors()
    )

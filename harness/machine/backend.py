"""Who starts the machines: QEMU as a child of this program, or libvirt."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from harness.errors import UsageError

BackendName = Literal["qemu", "libvirt"]

ANSWER_TIMEOUT_S = 60.0
"""Generous: under TCG on a loaded host the monitor may wait for the big lock of a busy device."""


@dataclass(frozen=True, slots=True)
class Backend:
    """Who starts the machines. ``uri`` is libvirt's, "" for QEMU.

    ``answer_timeout_s`` is how long a monitor of QEMU may take to come up, and for each answer.
    """

    name: BackendName = "qemu"
    uri: str = ""
    answer_timeout_s: float = ANSWER_TIMEOUT_S

    @property
    def is_remote(self) -> bool:
        """Whether the machines run on another host."""
        return self.uri.startswith("qemu+ssh:")


def choose_backend(name: BackendName, uri: str | None) -> Backend:
    """The backend that was asked for. Raises UsageError for an address that cannot be meant.

    Without an address libvirt is the user's own (``qemu:///session``), for root the system's.
    """
    if name == "qemu":
        if uri:
            raise UsageError("--connect: is for --backend libvirt.")
        return Backend()
    is_root = os.geteuid() == 0
    uri = uri or ("qemu:///system" if is_root else "qemu:///session")
    try:
        parts = urlsplit(uri)
        _ = parts.port
    except ValueError as error:
        raise UsageError(f"--connect {uri}: is no address: {error}.") from error
    is_here = parts.scheme == "qemu+unix" or (parts.scheme == "qemu" and not parts.netloc)
    is_there = parts.scheme == "qemu+ssh" and bool(parts.hostname) and parts.path == "/system"
    if not is_there and not (is_here and parts.path in ("/session", "/system")):
        raise UsageError(
            f"--connect {uri}: harness reaches libvirt at qemu:///session, qemu:///system and "
            "qemu+ssh://[USER@]HOST[:PORT]/system."
        )
    if is_root and parts.path == "/session":
        raise UsageError(f"--connect {uri}: root has no session of libvirt: use qemu:///system.")
    return Backend("libvirt", uri)

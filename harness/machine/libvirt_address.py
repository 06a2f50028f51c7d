"""The addresses of libvirt that harness can use (libvirt.org, "Connection URIs")."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from harness.errors import UsageError


def choose_libvirt_address(uri: str | None) -> str:
    """Return the address of libvirt; raises UsageError for one that cannot be meant.

    Without one it is the user's own (``qemu:///session``), for root the system's.
    """
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
    return uri

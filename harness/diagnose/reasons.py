"""The findings of inspection that explain the cause of a failed boot."""

from __future__ import annotations

from collections.abc import Iterable

from harness.model.finding import Finding

# Cause of a failed boot to the findings of inspection that would lead to it, the likeliest first.
# An id that ends with a dot stands for all that begin with it.
_EXPLAINS = {
    "boot.no-bootable-device": ("disk.empty", "disk.no-bootloader", "firmware.", "arch."),
    "boot.loader-failed": (
        "linux.no-kernel",
        "linux.kernel-damaged",
        "linux.boot-waits",
        "disk.no-bootloader",
        "disk.empty",
        "firmware.",
    ),
    "boot.kernel-panic": ("linux.virtio-scsi-missing", "linux.virtio-blk-missing", "arch."),
    "boot.disk-not-found": (
        "linux.virtio-scsi-missing",
        "linux.virtio-blk-missing",
        "linux.root-device-name",
        "windows.virtio-scsi-missing",
        "windows.virtio-blk-missing",
    ),
    "boot.initramfs-shell": (
        "linux.root-damaged",
        "linux.no-init",
        "linux.root-missing",
        "linux.root-device-name",
        "disk.encrypted",
    ),
    "boot.hung": (
        "linux.root-missing",
        "linux.virtio-scsi-missing",
        "linux.virtio-blk-missing",
    ),
    "boot.emergency-mode": ("linux.root-device-name", "linux.root-missing"),
    "boot.bugcheck": ("windows.virtio-scsi-missing", "windows.virtio-blk-missing"),
    "network.silent": (
        "linux.virtio-net-missing",
        "linux.seed-drive-missing",
        "linux.cloud-init-missing",
        "linux.network-config-disabled",
        "linux.datasource-excluded",
        "linux.instance-used",
    ),
    "network.unconfigured": (
        "linux.seed-drive-missing",
        "linux.cloud-init-missing",
        "linux.datasource-excluded",
        "linux.network-config-disabled",
        "linux.instance-used",
    ),
}


def inspection_reason(cause: str, findings: Iterable[Finding]) -> str:
    """Return the statement of the finding of inspection that explains ``cause``; "" without one."""
    rows = list(findings)
    for start in _EXPLAINS.get(cause, ()):
        for row in rows:
            if row.id == start or (start.endswith(".") and row.id.startswith(start)):
                return row.statement
    return ""

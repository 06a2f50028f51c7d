r"""Windows on a disk or in a WIM: its name, and its drivers for a virtio disk and a virtio NIC.

Windows starts a disk driver at boot only if its service says ``Start`` 0 and the device's PCI id is
bound to it: until Windows 7 in ``Control\CriticalDeviceDatabase``, since Windows 8 in
``DriverDatabase\DeviceIds`` (as virt-v2v writes it: libguestfs-common,
mlcustomize/inject_virtio_win.ml). The ids are those of the transitional devices, which the
provider has: 1AF4:1004 for a virtio-scsi disk, 1AF4:1001 for virtio-blk, 1AF4:1000 for the NIC.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from regipy.exceptions import RegistryKeyNotFoundException
from regipy.registry import RegistryHive

from harness.image.os.system import DriverFacts, WindowsFacts

_HIVE_BYTES = 256 << 20
_SCSI_ID, _BLOCK_ID = "VEN_1AF4&DEV_1004", "VEN_1AF4&DEV_1001"
_NIC_ID = "VEN_1AF4&DEV_1000"
_KERNEL = "/Windows/System32/ntoskrnl.exe"
_SYSTEM = "/Windows/System32/config/SYSTEM"
_SOFTWARE = "/Windows/System32/config/SOFTWARE"
_STORE = "/Windows/System32/DriverStore/FileRepository"


class WindowsFiles(Protocol):
    """The files of a Windows by absolute path: a Tree of a disk, or those of a WIM."""

    def exists(self, path: str) -> bool:
        """Tell whether ``path`` exists."""

    def match(self, pattern: str) -> list[str]:
        """The paths that match ``pattern``; ``*`` matches within one name."""

    def read(self, path: str, limit_bytes: int) -> bytes | None:
        """The content of a file; None if missing."""


def is_windows_root(tree: WindowsFiles) -> bool:
    """Tell whether the kernel and the registry of a Windows are here."""
    return tree.exists(_KERNEL) and tree.exists(_SYSTEM)


def read_windows(tree: WindowsFiles, volume: str) -> WindowsFacts:
    """Read the facts of the Windows with the files ``tree``. Never raises for its registry."""
    try:
        system = _hive(tree, _SYSTEM)
        control_set = _control_set(system)
        return WindowsFacts(
            volume=volume,
            name=_product(tree),
            control_set=control_set,
            disk=_driver(tree, system, control_set, "vioscsi", _SCSI_ID),
            block=_driver(tree, system, control_set, "viostor", _BLOCK_ID),
            nic=_driver(tree, system, control_set, "netkvm", _NIC_ID),
        )
    except Exception as error:  # regipy raises exceptions of construct, struct and its own
        what = str(error).splitlines()[0][:200] if str(error) else ""
        return WindowsFacts(volume=volume, fault=f"{_SYSTEM}: {type(error).__name__}: {what}")


def _hive(tree: WindowsFiles, path: str) -> Any:
    """Open a registry hive. regipy needs a path: it gets a pipe, as no file may be written here."""
    content = tree.read(path, _HIVE_BYTES) or b""
    _check_bins(content)
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=feed, daemon=True)
    thread.start()
    try:
        return RegistryHive(f"/dev/fd/{reader}")  # type: ignore[no-untyped-call]
    finally:
        os.close(reader)


def _check_bins(content: bytes) -> None:
    """Raise ValueError for a broken chain of bins, after which regipy would read wrong data.

    After libregf's "Windows NT Registry File (REGF) format", 2 and 3.
    """
    if not content.startswith(b"regf"):
        raise ValueError("it is no registry hive")
    at, end = 4096, 4096 + int.from_bytes(content[40:44], "little")
    while at < end:
        size = int.from_bytes(content[at + 8 : at + 12], "little")
        if content[at : at + 4] != b"hbin" or size < 4096 or size % 4096:
            raise ValueError(f"byte {at}: the chain of its bins breaks")
        at += size


def _control_set(system: Any) -> str:
    """The control set of the next boot: ``Select``, value ``Current``; without one, the first.

    A hive that was never booted, as in a WIM, may lack the value. Raises ValueError where the set
    does not exist: its services are unknown then.
    """
    select = _key(system, "\\Select")
    number = select.get_value("Current") if select is not None else None
    name = f"\\ControlSet{number if isinstance(number, int) else 1:03}"
    if _key(system, name) is None:
        raise ValueError(f"it has no {name[1:]}")
    return name


def _product(tree: WindowsFiles) -> str:
    try:
        key = _hive(tree, _SOFTWARE).get_key("\\Microsoft\\Windows NT\\CurrentVersion")
        return str(key.get_value("ProductName") or "Windows")
    except Exception:  # the name is for people only
        return "Windows"


def _driver(
    tree: WindowsFiles, system: Any, control_set: str, service: str, device: str
) -> DriverFacts:
    key = _key(system, f"{control_set}\\Services\\{service}")
    start = key.get_value("Start") if key is not None else None
    image = str(key.get_value("ImagePath") or "") if key is not None else ""
    return DriverFacts(
        service=service,
        start=int(start) if isinstance(start, int) else None,
        bound_by=next(_bindings(system, control_set, service, device), ""),
        file=_file(tree, image, service),
        staged=next(iter(tree.match(f"{_STORE}/{service}.inf_*/{service}.sys")), ""),
    )


def _key(hive: Any, path: str) -> Any:
    try:
        return hive.get_key(path)
    except RegistryKeyNotFoundException:
        return None


def _bindings(system: Any, control_set: str, service: str, device: str) -> Iterator[str]:
    """Yield the keys that bind a device of this id to a driver, for any subsystem and revision."""
    old = _key(system, f"{control_set}\\Control\\CriticalDeviceDatabase")
    for key in old.iter_subkeys() if old is not None else ():
        bound_to = str(key.get_value("Service") or "").lower()
        if str(key.name).upper().startswith(f"PCI#{device}") and bound_to == service:
            yield f"{control_set}\\Control\\CriticalDeviceDatabase\\{key.name}"
    new = _key(system, "\\DriverDatabase\\DeviceIds\\PCI")
    for key in new.iter_subkeys() if new is not None else ():
        if str(key.name).upper().startswith(device):
            yield f"\\DriverDatabase\\DeviceIds\\PCI\\{key.name}"


def _file(tree: WindowsFiles, image: str, service: str) -> str:
    """The path of the driver; ``ImagePath`` is relative to the Windows folder or absolute."""
    path = re.sub(r"^\\?(?:SystemRoot|\?\?\\[A-Za-z]:\\Windows)\\", "", image, flags=re.IGNORECASE)
    path = path or f"System32\\drivers\\{service}.sys"
    full = "/Windows/" + path.replace("\\", "/").lstrip("/")
    return full if tree.exists(full) else ""

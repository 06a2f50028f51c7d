"""Is this host able: what is there, what is missing, and the command that installs it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import Literal

from harness.errors import HostError
from harness.machine.acceleration import probe
from harness.machine.firmware import find_uefi
from harness.machine.libvirt_link import INSTALL_BINDING, INSTALL_DAEMON, binding, daemon
from harness.machine.scratch import MIN_FREE_BYTES, scratch_root
from harness.programs import DEBIAN_PACKAGES, OPTIONAL_PROGRAMS, qemu_version

State = Literal["ok", "missing", "note"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at. ``missing`` keeps harness from working; ``note`` does not."""

    name: str
    state: State
    detail: str


def examine_host() -> list[Check]:
    """Everything that a run needs of this host, in the order in which it is needed."""
    checks = [_program(name) for name in DEBIAN_PACKAGES]
    if all(check.state != "missing" for check in checks):
        checks += [_qemu(), *_accelerators(), _uefi(), _libvirt()]
    return [*checks, _space()]


def install_command(checks: list[Check]) -> str | None:
    """The command that installs what ``checks`` found missing; None where nothing is."""
    packages = [DEBIAN_PACKAGES[check.name] for check in checks if _is_missing_program(check)]
    if not packages:
        return None
    return "apt-get install --no-install-recommends " + " ".join(sorted(set(packages)))


def _is_missing_program(check: Check) -> bool:
    return check.state == "missing" and check.name in DEBIAN_PACKAGES


def _program(name: str) -> Check:
    path = shutil.which(name)
    if path is None and name in OPTIONAL_PROGRAMS:
        package = DEBIAN_PACKAGES[name]
        return Check(name, "note", f"{OPTIONAL_PROGRAMS[name]}: apt-get install {package}")
    return Check(name, "ok" if path else "missing", path or "not installed")


def _qemu() -> Check:
    try:
        return Check("QEMU version", "ok", qemu_version())
    except HostError as error:
        return Check("QEMU version", "missing", str(error))


def _accelerators() -> list[Check]:
    checks = []
    try:
        for name in ("kvm", "tcg"):
            result = probe("kvm" if name == "kvm" else "tcg")
            if result.usable:
                detail = f"runs 64-bit code; the measured loop took {result.count_s:.2f} s"
                checks.append(Check(name, "ok", detail))
            else:
                state: State = "note" if name == "kvm" else "missing"
                checks.append(Check(name, state, f"not usable: {result.reason}"))
    except HostError as error:
        checks.append(Check("accelerators", "missing", str(error)))
    return checks


def _uefi() -> Check:
    """Only ``--firmware uefi`` needs it."""
    try:
        found = find_uefi("pc")
    except HostError as error:
        return Check("UEFI", "note", str(error))
    return Check("UEFI", "ok", str(found.mapping.executable.filename))


def _libvirt() -> Check:
    """Only ``--backend libvirt`` needs it. No daemon is started, nor asked."""
    try:
        number = int(binding().getVersion())
    except HostError:
        return Check("libvirt", "note", f"only --backend libvirt needs it. {INSTALL_BINDING}")
    if (program := daemon()) is None:
        return Check("libvirt", "note", f"there is no libvirtd here. {INSTALL_DAEMON}")
    version = f"{number // 1_000_000}.{number // 1000 % 1000}.{number % 1000}"
    return Check("libvirt", "ok", f"{version}, {program}")


def _space() -> Check:
    root = scratch_root()
    try:
        free_bytes = shutil.disk_usage(root).free
    except OSError as error:
        return Check("space", "missing", f"{root}: {error.strerror}")
    state: State = "ok" if free_bytes >= MIN_FREE_BYTES else "missing"
    return Check("space", state, f"{free_bytes >> 20} MiB free in {root}")

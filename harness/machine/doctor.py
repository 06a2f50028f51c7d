"""Is this host able: what is there, what is missing, and the command that installs it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from harness.errors import HostError
from harness.host.programs import DEBIAN_PACKAGES, OPTIONAL_PROGRAMS, find_qemu, qemu_version
from harness.host.scratch import MIN_FREE_BYTES, scratch_root
from harness.machine.acceleration import probe
from harness.machine.firmware import find_uefi
from harness.machine.libvirt_link import INSTALL_BINDING, INSTALL_DAEMON, binding, daemon
from harness.model.hardware import Chipset

# QEMU 7.2, hw/i386/x86.c: the larger one, which machines since 1.7 have.
_SEABIOS = "bios-256k.bin"

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
        checks += [_qemu(), *_accelerators(), _bios()]
        checks += [*(_uefi(*row) for row in _UEFIS), _libvirt()]
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


# What a machine with UEFI is called here, its chipset, and whether Secure Boot is on in it.
_UEFIS: tuple[tuple[str, Chipset, bool], ...] = (
    ("UEFI, pc", "pc", False),
    ("UEFI, q35", "q35", False),
    ("Secure Boot, q35", "q35", True),
)


def _bios() -> Check:
    """The firmware that QEMU takes where it is named none."""
    said = subprocess.run(
        [str(find_qemu()), "-L", "help"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    files = [Path(folder).resolve() / _SEABIOS for folder in said.splitlines()]
    found = next((path for path in files if path.is_file()), None)
    if found is None:
        return Check("BIOS", "missing", f"QEMU has no {_SEABIOS}: apt-get install seabios")
    return Check("BIOS", "ok", str(found))


def _uefi(name: str, chipset: Chipset, secure_boot: bool) -> Check:
    """Only a profile that has it, or ``--firmware uefi``, needs it."""
    try:
        found = find_uefi(chipset, secure_boot=secure_boot)
    except HostError as error:
        return Check(name, "note", str(error))
    return Check(name, "ok", str(found.mapping.executable.filename))


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

"""The checks of this host: what is there, what is missing, and the command that installs it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from harness.errors import HostError
from harness.host.programs import DEBIAN_PACKAGES, OPTIONAL_PROGRAMS, find_qemu, qemu_version
from harness.host.scratch import MIN_FREE_BYTES, scratch_root
from harness.machine.acceleration import probe
from harness.machine.firmware import find_uefi
from harness.machine.host_check import HostCheck, State
from harness.machine.launch import BACKENDS
from harness.model.hardware import Chipset

# QEMU 7.2, hw/i386/x86.c: the larger one, which machines since 1.7 have.
_SEABIOS = "bios-256k.bin"


def host_checks() -> list[HostCheck]:
    """Return a check of everything that a run needs of this host, in the order of need."""
    checks = [_program(name) for name in DEBIAN_PACKAGES]
    if all(check.state != "missing" for check in checks):
        checks += [_qemu(), *_accelerators(), _bios()]
        checks += [*(_uefi(*row) for row in _UEFIS), *_backends()]
    return [*checks, _space()]


def install_command(checks: list[HostCheck]) -> str | None:
    """Return the command that installs what ``checks`` found missing; None where nothing is."""
    packages = [DEBIAN_PACKAGES[check.name] for check in checks if _is_missing_program(check)]
    if not packages:
        return None
    return "apt-get install --no-install-recommends " + " ".join(sorted(set(packages)))


def _is_missing_program(check: HostCheck) -> bool:
    return check.state == "missing" and check.name in DEBIAN_PACKAGES


def _program(name: str) -> HostCheck:
    path = shutil.which(name)
    if path is None and name in OPTIONAL_PROGRAMS:
        package = DEBIAN_PACKAGES[name]
        return HostCheck(name, "note", f"{OPTIONAL_PROGRAMS[name]}: apt-get install {package}")
    return HostCheck(name, "ok" if path else "missing", path or "not installed")


def _qemu() -> HostCheck:
    try:
        return HostCheck("QEMU version", "ok", qemu_version())
    except HostError as error:
        return HostCheck("QEMU version", "missing", str(error))


def _accelerators() -> list[HostCheck]:
    checks = []
    try:
        for name in ("kvm", "tcg"):
            result = probe("kvm" if name == "kvm" else "tcg")
            if result.usable:
                detail = f"runs 64-bit code; the measured loop took {result.count_s:.2f} s"
                checks.append(HostCheck(name, "ok", detail))
            else:
                state: State = "note" if name == "kvm" else "missing"
                checks.append(HostCheck(name, state, f"not usable: {result.reason}"))
    except HostError as error:
        checks.append(HostCheck("accelerators", "missing", str(error)))
    return checks


# The title of a machine with UEFI, its chipset, and whether Secure Boot is on.
_UEFIS: tuple[tuple[str, Chipset, bool], ...] = (
    ("UEFI, pc", "pc", False),
    ("UEFI, q35", "q35", False),
    ("Secure Boot, q35", "q35", True),
)


def _bios() -> HostCheck:
    """Check the firmware that QEMU uses by default."""
    said = subprocess.run(
        [str(find_qemu()), "-L", "help"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    files = [Path(folder).resolve() / _SEABIOS for folder in said.splitlines()]
    found = next((path for path in files if path.is_file()), None)
    if found is None:
        return HostCheck("BIOS", "missing", f"QEMU has no {_SEABIOS}: apt-get install seabios")
    return HostCheck("BIOS", "ok", str(found))


def _uefi(name: str, chipset: Chipset, secure_boot: bool) -> HostCheck:
    """Check a UEFI firmware, which only a profile with UEFI or ``--firmware uefi`` needs."""
    try:
        found = find_uefi(chipset, secure_boot=secure_boot)
    except HostError as error:
        return HostCheck(name, "note", str(error))
    return HostCheck(name, "ok", str(found.mapping.executable.filename))


def _backends() -> Iterator[HostCheck]:
    for row in BACKENDS.values():
        if check := row.load().check_host():
            yield check


def _space() -> HostCheck:
    root = scratch_root()
    try:
        free_bytes = shutil.disk_usage(root).free
    except OSError as error:
        return HostCheck("space", "missing", f"{root}: {error.strerror}")
    state: State = "ok" if free_bytes >= MIN_FREE_BYTES else "missing"
    return HostCheck("space", state, f"{free_bytes >> 20} MiB free in {root}")

"""The programs of the host that are started."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from harness.errors import MissingToolError

MIN_QEMU = (7, 1)
"""The first QEMU whose ``screendump`` writes PNG (QEMU 7.1 change log, "Monitor")."""

# What is started like this dies with the thread that started it, however that ends (prctl(2)).
PDEATHSIG = ("setpriv", "--pdeathsig", "KILL", "--")

DEBIAN_PACKAGES = {
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-img": "qemu-utils",
    "setpriv": "util-linux",
    "swtpm": "swtpm",
    "prlimit": "util-linux",
    "wimlib-imagex": "wimtools",
    "tesseract": "tesseract-ocr",
}
"""Program to the Debian and Ubuntu package that holds it."""

OPTIONAL_PROGRAMS = {
    "wimlib-imagex": "without it, Windows discs are not looked into",
    "tesseract": "without it, a screen in a font of its own is not read",
    "swtpm": "without it, no machine of a profile with a TPM is started",
}
"""Program to what is not done where it is missing."""


def argument_list(*options: tuple[str, ...] | list[str]) -> list[str]:
    """The words of ``options``, each an option with its values, one after the other."""
    return [word for option in options for word in option]


def find_program(name: str) -> Path:
    """The path of ``name``; raises HostError (``host.missing-tool``) that says what to install."""
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(
            f"{name} is not installed.",
            f"apt-get install --no-install-recommends {DEBIAN_PACKAGES[name]}",
        )
    return Path(found)


def find_qemu() -> Path:
    """The path of the QEMU that runs the machines; raises HostError where there is none."""
    return find_program("qemu-system-x86_64")


@cache
def qemu_version() -> str:
    """Its version, such as ``7.2.22``; raises HostError where it is missing or too old."""
    said = subprocess.run(
        [str(find_qemu()), "--version"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    match = re.search(r"version (\d+)\.(\d+)[.\d]*", said)
    if not match or (int(match[1]), int(match[2])) < MIN_QEMU:
        raise MissingToolError(
            f"QEMU {'.'.join(map(str, MIN_QEMU))} or newer is needed, here is: "
            f"{said.splitlines()[0] if said else 'nothing that runs'}.",
            "Install a newer qemu-system-x86 (Debian 12 or newer, Ubuntu 24.04 or newer).",
        )
    return match[0].removeprefix("version ")

"""The programs of the host that harness starts."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

from harness.errors import MissingToolError

MIN_QEMU = (7, 1)
"""The first QEMU whose ``screendump`` writes PNG (QEMU 7.1 change log, "Monitor")."""

# A program with this prefix dies with the thread that started it, however that ends (prctl(2)).
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
"""The Debian and Ubuntu package of each program."""

OPTIONAL_PROGRAMS = {
    "wimlib-imagex": "without it, Windows discs are not looked into",
    "tesseract": "without it, a screen in a font of its own is not read",
    "swtpm": "without it, no machine of a profile with a TPM is started",
}
"""The consequence for each optional program where it is missing."""


def argument_list(*options: tuple[str, ...] | list[str]) -> list[str]:
    """The arguments of a command line: each of ``options`` is an option with its values."""
    return [word for option in options for word in option]


def find_program(name: str) -> Path:
    """The path of a program; raises HostError (``host.missing-tool``) that names its package."""
    found = shutil.which(name)
    if found is None:
        raise MissingToolError(
            f"{name} is not installed.",
            f"apt-get install --no-install-recommends {DEBIAN_PACKAGES[name]}",
        )
    return Path(found)


def find_qemu() -> Path:
    """The path of the QEMU that runs the machines; raises HostError if missing."""
    return find_program("qemu-system-x86_64")


@cache
def qemu_version() -> str:
    """The version of QEMU, such as ``7.2.22``; raises HostError without one that is new enough."""
    output = subprocess.run(
        [str(find_qemu()), "--version"], capture_output=True, text=True, timeout=30, check=False
    ).stdout
    match = re.search(r"version (\d+)\.(\d+)[.\d]*", output)
    if not match or (int(match[1]), int(match[2])) < MIN_QEMU:
        raise MissingToolError(
            f"QEMU {'.'.join(map(str, MIN_QEMU))} or newer is needed, here is: "
            f"{output.splitlines()[0] if output else 'nothing that runs'}.",
            "Install a newer qemu-system-x86 (Debian 12 or newer, Ubuntu 24.04 or newer).",
        )
    return match[0].removeprefix("version ")

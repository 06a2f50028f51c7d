"""Folders with a minimal Windows around real hives, without drivers and with them."""

from __future__ import annotations

import lzma
import subprocess
from pathlib import Path

from tests.corpus import CORPUS

_SERVICE = r"""
[\ControlSet001\Services\{service}]
"Type"=dword:00000001
"Start"=dword:0000000{start}
"ErrorControl"=dword:00000001
"Group"="SCSI miniport"
"ImagePath"="{image}"
"""
CRITICAL = r"""
[\ControlSet001\Control\CriticalDeviceDatabase\pci#ven_1af4&dev_{device}&subsys_00081af4&rev_00]
"Service"="{service}"
"ClassGUID"="{{4D36E97B-E325-11CE-BFC1-08002BE10318}}"
"""
DATABASE = r"""
[\DriverDatabase\DeviceIds\PCI\VEN_1AF4&DEV_{device}&SUBSYS_00081AF4&REV_00]
"oem1.inf"=hex:01,ff,00,00
"""
VIOSCSI = r"system32\drivers\vioscsi.sys"
NETKVM = r"\SystemRoot\System32\drivers\netkvm.sys"


def hive(name: str) -> bytes:
    path = CORPUS / "hives" / name
    content = path.read_bytes()
    return lzma.decompress(content) if name.endswith(".xz") else content


def windows(root: Path, system: bytes, registry: str = "", *files: str) -> Path:
    """Make a folder with the Windows kernel, its registry merged with ``registry``, and drivers."""
    config = root / "Windows/System32/config"
    config.mkdir(parents=True)
    (root / "Windows/System32/drivers").mkdir()
    (root / "Windows/System32/ntoskrnl.exe").write_bytes(b"MZ")
    (root / "bootmgr").write_bytes(b"x")
    (config / "SYSTEM").write_bytes(system)
    (config / "SOFTWARE").write_bytes(hive("windows-software"))
    for name in files:
        (root / "Windows/System32/drivers" / name).write_bytes(b"MZ")
    if registry:
        text = "Windows Registry Editor Version 5.00\n" + registry
        words = ["hivexregedit", "--merge", "--prefix", "", str(config / "SYSTEM")]
        subprocess.run(words, input=text, text=True, check=True, capture_output=True)
    return root


def service(name: str, start: int, image: str) -> str:
    return _SERVICE.format(service=name, start=start, image=image.replace("\\", "\\\\"))

"""Which firmware is taken: by descriptors written here, and by this host's own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HostError
from harness.machine.firmware import descriptor_folders, find_uefi, uefi_flash
from harness.model.hardware import Chipset


class Host:
    """Folders of descriptors, the one that outweighs the others first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folders = [folder / name for name in ("user", "etc", "usr")]
        for one in self.folders:
            one.mkdir()

    def file(self, name: str) -> str:
        path = self.folder / name
        path.write_bytes(name.encode())
        return str(path)

    def describe(self, path: str, **other: Any) -> None:
        name = path.replace("/", "-")
        row = {
            "description": name,
            "interface-types": ["uefi"],
            "mapping": {
                "device": "flash",
                "executable": {"filename": self.file(f"{name}.code"), "format": "raw"},
                "nvram-template": {"filename": self.file(f"{name}.vars"), "format": "raw"},
            },
            "targets": [{"architecture": "x86_64", "machines": ["pc-i440fx-*", "pc-q35-*"]}],
            "features": ["acpi-s3", "verbose-dynamic"],
            "tags": [],
        }
        (self.folder / path).write_text(json.dumps({**row, **other}))

    def found(self, chipset: Chipset = "pc", *, secure_boot: bool = False) -> str:
        found = find_uefi(chipset, self.folders, secure_boot=secure_boot)
        return found.mapping.executable.filename.name


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_the_first_name_wins_whatever_its_folder(host: Host) -> None:
    host.describe("user/60-a.json")
    host.describe("usr/50-b.json")
    assert host.found() == "usr-50-b.json.code"


def test_the_users_descriptor_hides_another_of_the_same_name(host: Host) -> None:
    host.describe("usr/50-a.json")
    host.describe("etc/50-a.json")
    assert host.found() == "etc-50-a.json.code"
    host.describe("user/50-a.json")
    assert host.found() == "user-50-a.json.code"


def test_an_empty_descriptor_hides_another_of_the_same_name(host: Host) -> None:
    host.describe("usr/50-a.json")
    host.describe("usr/60-b.json")
    (host.folder / "etc" / "50-a.json").write_text("")
    (host.folder / "user" / "60-b.json").symlink_to("/dev/null")
    with pytest.raises(HostError, match=r"no UEFI firmware for the machine pc-i440fx-.*ovmf"):
        host.found()


@pytest.mark.parametrize(
    "other",
    [
        {"interface-types": ["bios"]},
        {"features": ["requires-smm", "secure-boot"]},
        {"features": ["enrolled-keys", "secure-boot"]},
        {"targets": [{"architecture": "aarch64", "machines": ["pc-i440fx-*", "virt-*"]}]},
        {"targets": [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]},
        {"mapping": {"device": "memory", "filename": "/usr/share/ovmf/OVMF.fd"}},
        {"mapping": {"device": "flash", "executable": {"filename": "/gone", "format": "raw"}}},
        {"features": None},
        {"features": 7},
    ],
)
def test_an_unsuitable_firmware_is_skipped(host: Host, other: dict[str, Any]) -> None:
    host.describe("usr/40-a.json", **other)
    host.describe("usr/50-b.json")
    assert host.found() == "usr-50-b.json.code"


@pytest.mark.parametrize("text", ["{", "[]", "7", '"x"', "\ufeff{}", '{"mapping": ' * 10_000])
def test_a_file_that_is_no_descriptor_is_skipped(host: Host, text: str) -> None:
    (host.folder / "usr" / "40-a.json").write_text(text, encoding="utf-8")
    host.describe("usr/50-b.json")
    assert host.found() == "usr-50-b.json.code"


def test_a_firmware_without_its_files_is_skipped(host: Host) -> None:
    host.describe("usr/50-a.json")
    host.describe("usr/60-b.json")
    (host.folder / "usr-50-a.json.vars").unlink()
    assert host.found() == "usr-60-b.json.code"


def test_a_firmware_without_secure_boot_is_preferred(host: Host) -> None:
    host.describe("usr/50-a.json", features=["secure-boot"])
    assert host.found() == "usr-50-a.json.code"
    host.describe("usr/60-b.json")
    assert host.found() == "usr-60-b.json.code"


def test_secure_boot_needs_enrolled_keys_and_smm(host: Host) -> None:
    host.describe("usr/40-a.json", features=["requires-smm", "secure-boot"])
    host.describe("usr/50-b.json")
    with pytest.raises(HostError, match="no UEFI firmware with Secure Boot on for the machine"):
        host.found("q35", secure_boot=True)
    keys = ["enrolled-keys", "requires-smm", "secure-boot"]
    host.describe("usr/60-c.json", features=keys)
    assert host.found("q35", secure_boot=True) == "usr-60-c.json.code"
    assert host.found("q35") == "usr-50-b.json.code"
    for secure_boot in (True, False):
        firmware = find_uefi("q35", host.folders, secure_boot=secure_boot)
        assert uefi_flash(firmware, host.folder).smm == secure_boot


def test_another_chipset_has_its_own(host: Host) -> None:
    q35 = [{"architecture": "x86_64", "machines": ["pc-q35-*"]}]
    host.describe("usr/50-a.json", targets=q35)
    host.describe("usr/60-b.json")
    assert (host.found("q35"), host.found("pc")) == ("usr-50-a.json.code", "usr-60-b.json.code")


def test_every_run_has_variables_of_its_own(host: Host) -> None:
    host.describe("usr/50-a.json")
    firmware = find_uefi("pc", host.folders)
    flash = uefi_flash(firmware, host.folder / "user")
    assert flash.variables is not None
    assert flash.variables.parent == host.folder / "user"
    assert flash.variables.read_bytes() == b"usr-50-a.json.vars"
    with pytest.raises(HostError, match="variables of UEFI could not be copied"):
        uefi_flash(firmware, host.folder / "nowhere")


def test_a_firmware_that_keeps_nothing_needs_no_variables(host: Host) -> None:
    code = {"filename": host.file("code"), "format": "qcow2"}
    mapping = {"device": "flash", "mode": "stateless", "executable": code}
    host.describe("usr/50-a.json", mapping=mapping)
    flash = uefi_flash(find_uefi("pc", host.folders), host.folder)
    assert (flash.code_format, flash.variables) == ("qcow2", None)


def test_this_hosts_own_firmware() -> None:
    if not any(list(folder.glob("*.json")) for folder in descriptor_folders()):
        pytest.skip("no UEFI firmware is installed on this host (apt-get install ovmf)")
    found = find_uefi("pc")
    assert found.mapping.executable.filename.is_file()
    assert "requires-smm" not in found.features

"""The UEFI firmware of this host, found through its descriptors.

JSON files in three folders describe the files of each firmware and the machines it is for (QEMU
docs/interop/firmware.json). Where two folders have a file of the same name, the user's folder wins
over the system's; an empty file there hides the other. They are tried in the order of the names.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from harness.errors import MissingToolError, NoSpaceError
from harness.host.folders import program_settings_folder
from harness.host.programs import qemu_version
from harness.machine.spec import Flash
from harness.model.hardware import Chipset

PACKAGE = "ovmf"
"""The Debian and Ubuntu package that holds a UEFI firmware."""

_ARCHITECTURE = "x86_64"
_SMM = "requires-smm"
# Secure Boot on or off, to the features that the firmware must have and those that it must not:
# with enrolled keys it starts only what Microsoft signed. A firmware with keys needs a machine with
# system management mode, so that no guest may change them.
_FEATURES = {
    True: (frozenset({"secure-boot", "enrolled-keys"}), frozenset[str]()),
    False: (frozenset[str](), frozenset({"enrolled-keys", _SMM})),
}
# A descriptor is a few hundred bytes long.
_MAX_DESCRIPTOR_BYTES = 1 << 20


class _DescriptorPart(BaseModel):
    """The part of a descriptor that matters here; others are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FlashFile(_DescriptorPart):
    """The file of a flash chip."""

    filename: Path
    format: Literal["raw", "qcow2"]


class _Mapping(_DescriptorPart):
    """The flash files of the firmware; the mode ``combined`` would mix code and variables."""

    device: Literal["flash"]
    mode: Literal["split", "stateless"] = "split"
    executable: FlashFile
    nvram_template: FlashFile | None = Field(default=None, alias="nvram-template")


class _Target(_DescriptorPart):
    architecture: str
    machines: list[str]


class FirmwareDescriptor(_DescriptorPart):
    """The descriptor of a firmware."""

    interface_types: list[str] = Field(alias="interface-types")
    mapping: _Mapping
    targets: list[_Target]
    features: list[str]

    def suits(self, machine: str, *, secure_boot: bool = False) -> bool:
        """Tell whether it is a UEFI for a ``machine`` such as ``pc-i440fx-7.2``.

        It starts anything there, or with ``secure_boot`` only what Microsoft's keys have signed. A
        firmware with variables but no template for them does not suit.
        """
        wanted, unwanted = _FEATURES[secure_boot]
        names = [
            pattern
            for target in self.targets
            if target.architecture == _ARCHITECTURE
            for pattern in target.machines
        ]
        return (
            "uefi" in self.interface_types
            and wanted <= set(self.features)
            and not unwanted & set(self.features)
            and any(fnmatchcase(machine, pattern) for pattern in names)
            and (self.mapping.mode == "stateless" or self.mapping.nvram_template is not None)
        )


def descriptor_folders() -> list[Path]:
    """Return the folders of descriptors, in order of precedence."""
    parents = (program_settings_folder("qemu"), Path("/etc/qemu"), Path("/usr/share/qemu"))
    return [parent / "firmware" for parent in parents]


def find_uefi(
    chipset: Chipset, folders: Iterable[Path] | None = None, *, secure_boot: bool = False
) -> FirmwareDescriptor:
    """Return the first firmware that suits the machine, preferring one without Secure Boot.

    With ``secure_boot``, one that has it on. Raises HostError (``host.missing-tool``) where no
    such firmware has its files on this host.
    """
    machine = _machine_name(chipset)
    suitable = [
        row
        for row in _read(descriptor_folders() if folders is None else folders)
        if row.suits(machine, secure_boot=secure_boot)
        and all(path.is_file() for path in _files(row))
    ]
    if not suitable:
        keys = " with Secure Boot on" if secure_boot else ""
        raise MissingToolError(
            f"There is no UEFI firmware{keys} for the machine {machine} on this host: "
            f"apt-get install --no-install-recommends {PACKAGE}.",
        )
    return min(suitable, key=lambda row: "secure-boot" in row.features)


def uefi_flash(firmware: FirmwareDescriptor, scratch: Path) -> Flash:
    """Return the flash of ``firmware``, with new variables in ``scratch`` for this run alone.

    Raises HostError (``host.no-space``) where they cannot be copied.
    """
    code, template = firmware.mapping.executable, firmware.mapping.nvram_template
    if firmware.mapping.mode == "stateless" or template is None:
        return Flash(code.filename, code.format)
    variables = scratch / "uefi-variables"
    try:
        shutil.copyfile(template.filename, variables)
    except OSError as error:
        raise NoSpaceError(
            f"The variables of UEFI could not be copied: {error.strerror}."
        ) from error
    smm = _SMM in firmware.features
    return Flash(code.filename, code.format, variables, template.format, smm)


def _machine_name(chipset: Chipset) -> str:
    """Return the versioned name of QEMU's machine, as descriptors have it."""
    version = ".".join(qemu_version().split(".")[:2])
    return {"pc": f"pc-i440fx-{version}", "q35": f"pc-q35-{version}"}[chipset]


def _read(folders: Iterable[Path]) -> Iterator[FirmwareDescriptor]:
    """Yield the descriptors in the order in which they are tried; other files are skipped."""
    by_name: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.json")):
            by_name.setdefault(path.name, path)
    for _, path in sorted(by_name.items()):
        try:
            with path.open("rb") as file:
                text = file.read(_MAX_DESCRIPTOR_BYTES)
            # Empty, or a link to /dev/null: there to hide the one of a lower folder.
            if text.strip():
                yield FirmwareDescriptor.model_validate_json(text)
        except (OSError, ValueError):
            continue


def _files(firmware: FirmwareDescriptor) -> list[Path]:
    template = firmware.mapping.nvram_template
    return [firmware.mapping.executable.filename, *([template.filename] if template else [])]

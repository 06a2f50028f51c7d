"""The tracker and the judge on boots under UEFI, with Secure Boot and without."""

import pytest

from harness.evidence import events
from harness.model.finding import Finding
from tests.diagnose.script import Script, outcome, settling

_DISK = '"UEFI QEMU QEMU HARDDISK " from PciRoot(0x0)/Pci(0x5,0x0)/Scsi(0x0,0x0)'
_SHELL = 'BdsDxe: loading Boot0002 "EFI Internal Shell" from Fv(7CB8BDC9)/FvFile(7C04A583)'
_SETUP = 'BdsDxe: loading Boot0000 "UiApp" from Fv(7CB8BDC9)/FvFile(462CAA21)'


def under_uefi() -> Script:
    script = Script(firmware="uefi").add(events.PowerOn())
    return script.add(events.CpuModeChange(mode="long", interrupt_table="low"))


def started_by_uefi() -> Script:
    lines = (f"BdsDxe: loading Boot0001 {_DISK}", f"BdsDxe: starting Boot0001 {_DISK}")
    return under_uefi().serial(*lines).add(events.DiskReads(read_bytes=1 << 20))


def test_uefi_runs_in_long_mode_and_is_no_kernel() -> None:
    assert under_uefi().judge().tracker.timeline.furthest == "firmware"
    script = started_by_uefi().add(events.CpuModeChange(mode="long", interrupt_table="low"))
    assert script.judge().tracker.timeline.furthest == "bootloader"
    assert outcome(script.silence()) == ("fail", "bootloader", "boot.loader-failed")


def test_a_mute_kernel_under_uefi_is_known_by_its_interrupt_table() -> None:
    script = started_by_uefi().add(events.CpuModeChange(mode="long", interrupt_table="high"))
    assert script.judge().tracker.timeline.furthest == "kernel"
    assert outcome(script.silence()) == ("fail", "kernel", "boot.hung")


@pytest.mark.parametrize(
    ("lines", "stage"),
    [
        ((f"BdsDxe: failed to load Boot0001 {_DISK}: Access Denied",), "firmware"),
        ((f"BdsDxe: failed to start Boot0001 {_DISK}: Security Violation",), "firmware"),
        (
            (
                f"BdsDxe: starting Boot0001 {_DISK}",
                "│      Verification failed: (0x1A) Security Violation      │",
            ),
            "bootloader",
        ),
    ],
)
def test_a_loader_that_secure_boot_refuses_fails(lines: tuple[str, ...], stage: str) -> None:
    script = under_uefi().serial(*lines)
    assert outcome(script) == ("fail", stage, "firmware.not-signed")
    change = settling(script)
    assert change
    assert change.name == "Secure Boot off in place of Secure Boot on"


def test_a_kernel_without_a_trusted_signature_fails() -> None:
    script = under_uefi().serial(
        f"BdsDxe: starting Boot0001 {_DISK}",
        "error: bad shim signature.",
        "error: you need to load the kernel first.",
    )
    assert outcome(script.quiet(16.0)) == ("fail", "bootloader", "firmware.not-signed")


@pytest.mark.parametrize("end", [_SHELL, "BdsDxe: No bootable option or device was found."])
@pytest.mark.parametrize("fault", ["Not Found", "Unsupported"])
def test_uefi_says_that_there_is_nothing_to_boot(fault: str, end: str) -> None:
    script = under_uefi().serial(f"BdsDxe: failed to load Boot0001 {_DISK}: {fault}", end)
    assert outcome(script) == ("fail", "firmware", "boot.no-bootable-device")


@pytest.mark.parametrize("end", [_SHELL, _SETUP])
def test_a_loader_that_gives_control_back_to_uefi(end: str) -> None:
    assert outcome(started_by_uefi().serial(end)) == ("fail", "bootloader", "boot.loader-failed")


def test_a_disk_for_a_bios_only_is_the_cause_of_a_boot_that_ends_in_uefi() -> None:
    script = under_uefi()
    row = Finding(id="firmware.bios-only", severity="error", statement="It was found on the disk.")
    script.add(events.CheckFinding(finding=row)).serial(_SHELL)
    assert outcome(script) == ("fail", "firmware", "firmware.bios-only")

"""The judge on boots of installers' ISOs."""

from dataclasses import replace
from typing import Any

import pytest

from harness.diagnose.diagnosis import diagnose
from harness.evidence import events
from harness.evidence.log import Observation
from harness.model.finding import Finding, finding
from tests.diagnose.script import MAC, Script, outcome

NOTHING_ELSE = {"stages_s": {}, "started_s": 100.0}


class Iso(Script):
    """Observations of the boot of an ISO; the firmware has read its target disk."""

    def __init__(self, until: str = "network", *, known: tuple[str, ...] = (), **more: Any) -> None:
        super().__init__(until, **more)
        start = replace(self.rows[0].event, medium="iso", known=known)
        self.rows = [Observation(0.0, start)]

    def booted(self) -> "Iso":
        self.add(events.PowerOn())
        self.firmware("SeaBIOS (version 1.16.2)", "Booting from Hard Disk...")
        self.firmware("Boot failed: not a bootable disk", "Booting from DVD/CD...")
        self.firmware("Booting from 0000:7c00")
        return self

    def kernel(self, read_bytes: int = 1024) -> "Iso":
        self.booted().add(events.DiskReads(read_bytes=read_bytes))
        self.add(
            events.CpuModeChange(mode="long", interrupt_table="low", disk_read_bytes=read_bytes)
        )
        return self

    def reads(self, read_bytes: int) -> "Iso":
        self.add(events.DiskReads(read_bytes=read_bytes))
        return self

    def screen(self, *lines: str) -> "Iso":
        self.add(events.ScreenText(lines=lines, background="#000000", how="ocr", share=1.0))
        return self

    def installer(self) -> "Iso":
        return self.screen("[!!] Select a language", "Choose the language to be used")

    def nic(self) -> "Iso":
        self.add(events.Frame(what="ipv6", source="::", target="", mac=MAC, number=1))
        return self


def test_an_iso_passes_with_installer_disk_and_nic() -> None:
    script = Iso().kernel().reads(65536).installer()
    assert outcome(script) == (None,)
    assert outcome(script.nic()) == ("pass", "network", None)


def test_the_order_in_which_they_are_seen_does_not_matter() -> None:
    script = Iso().kernel().nic()
    assert script.judge().tracker.timeline.furthest == "kernel"
    assert outcome(script.installer()) == (None,)
    assert script.judge().tracker.timeline.furthest == "network"
    assert outcome(script.reads(65536)) == ("pass", "network", None)


def test_reads_by_the_boot_loader_prove_no_driver() -> None:
    script = Iso().booted().reads(512).reads(33280)
    script.add(events.CpuModeChange(mode="long", interrupt_table="low", disk_read_bytes=40000))
    assert outcome(script.reads(40000).installer().nic()) == (None,)
    assert outcome(script.quiet(45.0)) == ("fail", "network", "installer.disk-unseen")


def test_a_kernel_that_names_its_disk_has_it() -> None:
    script = Iso().kernel().serial("sd 0:0:0:0: [sda] 146484375 512-byte logical blocks")
    assert outcome(script.installer().nic()) == ("pass", "network", None)


def test_an_installer_that_never_reads_the_disk_fails() -> None:
    script = Iso().kernel().installer().nic()
    assert outcome(script.quiet(30.0)) == (None,)
    verdict = script.quiet(45.0).judge().verdict
    assert verdict is not None
    assert verdict.cause == "installer.disk-unseen"
    assert verdict.findings[-1].evidence == (
        "[!!] Select a language",
        "Choose the language to be used",
    )


def test_an_installer_that_loads_its_drivers_later_proves_nothing() -> None:
    script = Iso(known=("drivers-later",)).kernel().installer().nic().quiet(45.0)
    assert outcome(script) == ("inconclusive", "network", None)
    verdict = script.judge().verdict
    assert verdict is not None
    assert [row.id for row in verdict.findings] == ["installer.waits"]


@pytest.mark.parametrize(
    ("known", "quiet_s", "expected"),
    [
        (("no-virtio-net",), 45.0, ("fail", "installer", "network.silent")),
        ((), 45.0, (None,)),
        ((), 100.0, ("inconclusive", "installer", None)),
    ],
)
def test_an_installer_that_sends_nothing_fails_only_without_a_driver(
    known, quiet_s, expected
) -> None:
    script = Iso(known=known).kernel().reads(65536).installer().quiet(quiet_s)
    assert outcome(script) == expected


def test_an_installer_that_finds_no_nic_says_so() -> None:
    script = Iso().kernel().reads(65536).installer()
    script.screen("[!!] Detect network hardware", "No Ethernet card was detected.")
    assert outcome(script.quiet(8.0)) == ("fail", "installer", "network.silent")


def test_a_boot_loader_that_starts_no_kernel_fails() -> None:
    assert outcome(Iso().booted().quiet(30.0)) == (None,)
    script = Iso().booted().quiet(45.0)
    assert outcome(script) == ("fail", "bootloader", "installer.not-reached")


def test_a_kernel_that_starts_no_installer_fails() -> None:
    script = Iso().kernel().quiet(100.0)
    assert outcome(script) == (None,)
    assert outcome(script.quiet(150.0)) == ("fail", "kernel", "installer.not-reached")


def test_drivers_at_work_that_no_console_explains_prove_nothing() -> None:
    script = Iso().kernel().reads(65536).nic().quiet(100.0)
    assert outcome(script) == ("inconclusive", "kernel", None)


def test_a_tool_is_no_installer_and_no_failure() -> None:
    tool = Iso(known=("no-installer",)).booted().nic()
    assert tool.judge().tracker.timeline.furthest == "network"
    assert outcome(tool.firmware("No bootable device.")) == ("inconclusive", "network", None)
    memtest = Iso(known=("no-installer",)).kernel().screen("Memtest86+ v6.10").quiet(30.0)
    assert outcome(memtest) == ("inconclusive", "kernel", None)
    rescue = Iso(known=("no-installer",)).booted().screen("grub> ")
    assert outcome(rescue) == ("inconclusive", "bootloader", None)


def test_an_installer_that_goes_back_to_the_firmware_has_failed() -> None:
    script = Iso().booted().firmware("No bootable device.")
    assert outcome(script) == ("fail", "bootloader", "boot.loader-failed")


def test_an_iso_that_the_firmware_does_not_start_fails() -> None:
    script = Iso().add(events.PowerOn())
    script.firmware("SeaBIOS (version 1.16.2)", "No bootable device.")
    assert outcome(script) == ("fail", "firmware", "boot.no-bootable-device")


# Installations


def installing() -> Iso:
    return Iso("installed", known=("unattended",)).kernel().installer()


def off(script: Script, reason: str = "guest-shutdown") -> Script:
    return script.add(events.QmpEvent(name="SHUTDOWN", detail={"guest": True, "reason": reason}))


@pytest.mark.parametrize("reason", ["guest-shutdown", "guest-reset"])
def test_an_installation_ends_when_the_guest_powers_off(reason: str) -> None:
    script = installing().nic().reads(65536)
    assert outcome(script) == (None,)
    script.add(events.DiskWrites(written_bytes=900 << 20))
    assert outcome(off(script, reason)) == ("pass", "installed", None)


def test_an_installer_that_ends_without_writing_fails() -> None:
    assert outcome(off(installing())) == ("fail", "installer", "installer.failed")


def test_an_error_that_an_installer_shows_is_the_cause_though_it_goes_on_to_the_end() -> None:
    script = installing().reads(65536).serial("Failed to partition the selected disk")
    script.add(events.DiskWrites(written_bytes=900 << 20))
    verdict = off(script).judge().verdict
    assert verdict is not None
    assert verdict.cause == "installer.failed"
    assert "Failed to partition the selected disk" in verdict.findings[-1].statement


def test_an_error_that_waits_for_a_person_is_quoted() -> None:
    script = installing().reads(65536).serial("!! ERROR: Unable to install busybox", "Check it.")
    assert outcome(script.quiet(8.0)) == (None,)
    verdict = script.quiet(15.0).judge().verdict
    assert verdict is not None
    assert verdict.cause == "installer.failed"
    assert verdict.findings[-1].statement == (
        "Debian's installer stopped with an error: Unable to install busybox."
    )


def test_a_long_installation_is_given_time_and_a_stuck_one_is_named() -> None:
    script = installing().reads(65536).quiet(100.0)
    assert outcome(script) == (None,)
    assert outcome(script.quiet(150.0)) == ("fail", "installer", "installer.failed")


def part(script: Script, reaches: str, outcome: str, cause: Finding | None = None, **more: Any):
    findings = (cause,) if cause else ()
    data = {**NOTHING_ELSE, "outcome": outcome, "cause": cause.id if cause else None, **more}
    return script.add(events.PartResult(name="x", reaches=reaches, findings=findings, **data))


def test_an_installation_passes_with_the_first_boot_of_what_it_installed() -> None:
    script = Iso("rebooted").kernel().installer()
    part(script, "installed", "pass", stages_s={"kernel": 1.0, "network": 60.0, "installed": 300.0})
    assert outcome(script) == (None,)
    assert script.judge().tracker.timeline.reached_s["network"] == 160.0
    part(script, "rebooted", "pass", stages_s={"network": 30.0})
    verdict = script.judge().verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.stage) == ("pass", "rebooted")
    assert verdict.stages_s["installed"] == 400.0


@pytest.mark.parametrize("outcome", ["fail", "error", "inconclusive"])
def test_a_part_that_does_not_pass_ends_the_run(outcome: str) -> None:
    cause = None if outcome == "inconclusive" else finding("boot.loader-failed", "It did not.")
    script = part(Iso("rebooted").kernel().installer(), "rebooted", outcome, cause)
    verdict = diagnose(script.rows).verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == (outcome, cause.id if cause else None)

"""The judge, fed with observations as the observers write them."""

from dataclasses import replace

import pytest

from harness.diagnose.judge import MAX_RESTARTS
from harness.evidence import events
from harness.model.finding import Finding
from tests.diagnose.script import NONCE, Script, said, settled


@pytest.mark.parametrize("answer", ["arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"])
def test_an_answer_from_the_seeds_address_proves_the_network(answer: str) -> None:
    assert said(Script().linux().frame(answer)) == ("pass", "network", None)


def test_the_call_with_the_nonce_proves_network_and_seed() -> None:
    script = Script("seed").linux().call(f"/{NONCE}/phone-home", instance_id="i-1")
    assert said(script) == ("pass", "seed", None)


def test_the_end_of_cloud_init_proves_ready() -> None:
    script = Script("ready").linux().frame("arp-reply")
    assert said(script) == (None,)
    script.call(f"/{NONCE}/ready", datasource="DataSourceNoCloud [seed=/dev/sr0]", errors="[]")
    assert said(script) == ("pass", "ready", None)


def test_errors_of_cloud_init_are_a_warning_and_strict_makes_them_a_fail() -> None:
    for strict, expected in (
        (False, ("pass", "ready", None)),
        (True, ("fail", "ready", "seed.failed")),
    ):
        script = Script("ready", strict=strict).linux()
        script.call(f"/{NONCE}/ready", datasource="x", errors='["bad module"]')
        assert said(script) == expected


@pytest.mark.parametrize(
    "frame",
    [
        {"what": "arp-reply", "source": "203.0.113.100"},
        {"what": "arp-reply", "mac": "52:54:00:00:00:01"},
        {"what": "arp-probe", "source": "0.0.0.0"},
        {"what": "arp-announcement"},
        {"what": "udp"},
        {"what": "icmpv6", "source": "fe80::1"},
    ],
)
def test_other_frames_prove_only_the_driver(frame: dict[str, str]) -> None:
    assert said(Script().linux().frame(**frame)) == (None,)


def test_a_call_without_the_nonce_proves_nothing() -> None:
    assert said(Script().linux().call("/guessed/phone-home")) == (None,)


def test_a_login_prompt_alone_is_no_pass() -> None:
    script = Script().linux().add(events.SerialPrompt(text="debian login: ", offset=99))
    assert said(script) == (None,)


def test_the_firmware_says_that_there_is_nothing_to_boot() -> None:
    script = Script().add(events.PowerOn()).firmware("SeaBIOS (version 1.16.2)")
    script.firmware("Boot failed: not a bootable disk", "No bootable device.")
    assert said(script) == ("fail", "firmware", "boot.no-bootable-device")
    verdict = script.judge().verdict
    assert verdict is not None
    assert verdict.findings[-1].evidence == (
        "Boot failed: not a bootable disk",
        "No bootable device.",
    )


def test_a_panic_that_reboots_into_a_good_system_is_a_pass() -> None:
    script = Script().booted().serial("Linux version 6.1.0")
    script.serial(
        "Kernel panic - not syncing: VFS: Unable to mount root fs", "Rebooting in 1 seconds.."
    )
    assert said(script) == (None,)
    script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert said(script.linux().frame("arp-reply")) == ("pass", "network", None)


def test_a_panic_for_good_is_a_fail_at_once() -> None:
    script = Script().booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: no init")
    assert said(script) == (None,)
    script.serial("---[ end Kernel panic - not syncing: no init ]---")
    assert said(script) == ("fail", "kernel", "boot.kernel-panic")


def test_a_panic_whose_end_was_not_seen_is_the_cause_when_silence_follows() -> None:
    script = Script().booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: x")
    assert said(script.silence()) == ("fail", "kernel", "boot.kernel-panic")


def test_no_panic_is_seen_in_words_that_only_look_like_one() -> None:
    script = Script().linux().serial("watchdog: Shutting down hard lockup detector on all cpus")
    script.serial("kernel.panic = 10", "Kernel command line: panic=1")
    assert said(script) == (None,)


@pytest.mark.parametrize(
    ("prompt", "cause"),
    [
        ("(initramfs) ", "boot.initramfs-shell"),
        ("grub rescue> ", "boot.loader-failed"),
        ("grub> ", "boot.loader-failed"),
    ],
)
def test_prompts_that_nobody_will_answer(prompt: str, cause: str) -> None:
    script = Script().booted().add(events.SerialPrompt(text=prompt, offset=0))
    verdict = script.judge().verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == ("fail", cause)


def test_a_reset_loop_and_a_few_resets() -> None:
    script = Script()
    for _ in range(MAX_RESTARTS):
        assert said(script) == (None,)
        script.booted()
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert said(script) == ("fail", "bootloader", "boot.reset-loop")


def test_a_line_that_was_seen_in_part_before_is_no_restart() -> None:
    version = "[    0.000000] Linux version 6.1.0"
    script = Script().booted().add(events.SerialPrompt(text=version + " (", offset=50))
    script.add(events.SerialLine(text=version + " (debian) 12", offset=50))
    assert script.judge().tracker.restarts == 0


def test_one_reboot_may_be_several_resets() -> None:
    script = Script().booted()
    for _ in range(MAX_RESTARTS):
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert said(script) == (None,)


def test_the_same_end_twice_is_a_loop() -> None:
    script = Script()
    for _ in range(2):
        assert said(script) == (None,)
        script.booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: no init")
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert said(script) == ("fail", "kernel", "boot.reset-loop")


def test_our_own_reset_does_not_count() -> None:
    script = Script()
    for _ in range(MAX_RESTARTS + 1):
        script.add(
            events.QmpEvent(name="RESET", detail={"guest": False, "reason": "host-qmp-quit"})
        )
    assert said(script) == (None,)


def test_the_guest_switches_itself_off() -> None:
    off = {"guest": True, "reason": "guest-shutdown"}
    script = Script().linux().add(events.QmpEvent(name="SHUTDOWN", detail=off))
    assert said(script) == ("fail", "userspace", "boot.powered-off")


def test_a_mute_kernel_is_seen_by_the_mode_of_its_processor() -> None:
    script = Script().booted().add(events.CpuModeChange(mode="long"))
    assert script.judge().tracker.timeline.furthest == "kernel"


@pytest.mark.parametrize(
    ("script", "stage", "cause"),
    [
        (Script().add(events.PowerOn()), "power-on", "boot.hung"),
        (Script().booted(), "bootloader", "boot.loader-failed"),
        (Script().booted().serial("Linux version 6.1.0"), "kernel", "boot.hung"),
        (Script().linux(), "userspace", "network.silent"),
        (Script().linux().frame("dhcp-discover", "0.0.0.0"), "userspace", "network.unconfigured"),
        (Script().linux().frame("icmpv6", "fe80::1"), "userspace", "network.unconfigured"),
        (
            Script()
            .booted()
            .add(events.DiskReads(read_bytes=1000))
            .add(events.CpuModeChange(mode="long"))
            .add(events.DiskReads(read_bytes=2000)),
            "kernel",
            "network.silent",
        ),
    ],
)
def test_what_silence_proves(script: Script, stage: str, cause: str) -> None:
    assert said(script.silence()) == ("fail", stage, cause)


def test_the_end_of_the_time_given_proves_nothing_of_a_guest_still_at_work() -> None:
    script = Script().linux().add(events.TimeOver(slowness=1.0))
    assert said(script) == ("inconclusive", "userspace", None)


def test_silence_after_the_network_is_a_pass_with_a_warning() -> None:
    script = Script("seed").linux().frame("arp-reply").silence()
    assert said(script) == ("pass", "network", None)
    verdict = script.judge().verdict
    assert verdict is not None
    assert [row.id for row in verdict.findings] == ["seed.ignored"]


@pytest.mark.parametrize(
    ("status", "oom_kills", "cause"),
    [
        (-11, 0, "host.qemu-crashed"),
        (-9, 1, "host.out-of-memory"),
        (-9, 0, "host.qemu-crashed"),
        (-25, 0, "host.no-space"),
    ],
)
def test_the_end_of_qemu_is_never_the_images_fault(status: int, oom_kills: int, cause: str) -> None:
    script = Script().linux()
    script.add(events.QemuEnd(status=status, stderr=["bad \x1b[31mthing"], oom_kills=oom_kills))
    assert said(script) == ("error", "userspace", cause)


def test_a_full_disk_of_the_host_is_not_the_images_fault() -> None:
    script = Script().linux()
    script.add(events.QmpEvent(name="BLOCK_IO_ERROR", detail={"nospace": True, "action": "stop"}))
    assert said(script) == ("error", "userspace", "host.no-space")


@pytest.mark.parametrize(
    "event",
    [
        events.QmpEvent(
            "BLOCK_IO_ERROR",
            {"nospace": False, "operation": "write", "reason": "File too large"},
        ),
        events.QemuEnd(status=-25, stderr=(), oom_kills=0),
        events.QemuEnd(status=1, stderr=("qemu: ftruncate: File too large",), oom_kills=0),
    ],
)
def test_a_limit_of_what_may_be_written_is_not_the_images_fault(event: events.Event) -> None:
    script = Script().linux().add(event)
    assert said(script) == ("error", "userspace", "host.no-space")


def test_a_disk_that_the_host_cannot_read_is_not_the_images_fault() -> None:
    detail = {"nospace": False, "operation": "read", "reason": "Input/output error"}
    script = Script().linux().add(events.QmpEvent(name="BLOCK_IO_ERROR", detail=detail))
    assert said(script) == ("error", "userspace", "host.read-failed")


def test_an_image_that_qemu_finds_corrupt_is() -> None:
    detail = {"node-name": "image", "msg": "Cluster allocation offset 0x7d0 unaligned"}
    script = Script().booted().add(events.QmpEvent(name="BLOCK_IMAGE_CORRUPTED", detail=detail))
    assert said(script) == ("fail", "bootloader", "qcow2.corrupt")


def test_a_verdict_stays() -> None:
    script = Script().linux().frame("arp-reply")
    script.serial("---[ end Kernel panic - not syncing: late ]---").silence()
    script.add(events.HostFault(finding="host.interrupted", statement="late"))
    assert said(script) == ("pass", "network", None)


def test_an_image_that_changed_takes_the_verdict_back() -> None:
    script = Script().linux().frame("arp-reply").add(events.ImageChange())
    assert said(script) == ("error", "network", "host.image-changed")


def test_what_the_checks_refuse_fails_without_a_stage() -> None:
    bad = Finding(id="format.archive", severity="error", statement="It is an archive.")
    script = Script().add(events.CheckFinding(finding=bad)).add(events.ChecksEnd())
    assert said(script) == ("fail", None, "format.archive")


@pytest.mark.parametrize("known", ["firmware.uefi-only", "arch.not-x86-64"])
def test_what_inspection_found_is_the_cause_of_a_boot_that_ends_in_the_firmware(known: str) -> None:
    row = Finding(id=known, severity="error", statement="It was found on the disk.")
    script = Script().add(events.CheckFinding(finding=row)).add(events.PowerOn())
    script.add(events.FirmwareLine("No bootable device.", 0))
    assert said(script) == ("fail", "power-on", known)


def test_another_finding_of_inspection_is_not_the_cause() -> None:
    row = Finding(id="disk.no-bootloader", severity="error", statement="It has no boot loader.")
    script = Script().add(events.CheckFinding(finding=row)).add(events.PowerOn())
    script.add(events.FirmwareLine("No bootable device.", 0))
    assert said(script) == ("fail", "power-on", "boot.no-bootable-device")


def test_a_held_finding_waits_for_its_own_silence() -> None:
    script = Script().booted().add(events.DiskReads(read_bytes=900_000))
    script.serial("error: file `/boot/vmlinuz-9' not found.")
    assert said(script.quiet(15)) == (None,)
    assert said(script.quiet(30)) == ("fail", "bootloader", "boot.loader-failed")


def test_what_comes_further_disproves_what_was_held() -> None:
    script = Script().booted().serial("error: no such device: root.", "Linux version 6.1.0")
    assert said(script.quiet(60)) == (None,)


def test_a_boot_sector_that_reads_nothing_is_known_sooner_than_one_that_works() -> None:
    dead = Script().booted().add(events.DiskReads(read_bytes=512)).quiet(8)
    assert said(dead) == ("fail", "bootloader", "boot.loader-failed")
    loads = Script().booted().add(events.DiskReads(read_bytes=900_000)).quiet(8)
    assert said(loads) == (None,)
    assert said(loads.quiet(30)) == ("fail", "bootloader", "boot.loader-failed")


def test_after_cloud_init_has_ended_silence_says_more() -> None:
    done = "cloud-init[500]: Cloud-init v. 22.4.2 finished at Mon. Datasource DataSourceNone"
    assert said(Script().linux().quiet(15)) == (None,)
    assert said(Script().linux().serial(done).quiet(15)) == ("fail", "userspace", "network.silent")


def test_the_disk_is_what_tells_a_missing_driver_from_a_wrong_name() -> None:
    alert = "ALERT!  UUID=0 does not exist.  Dropping to a shell!"
    kernel = Script().booted().serial("Linux version 6.1.0", "Loading, please wait...")
    assert said(kernel.serial(alert)) == ("fail", "initrd", "boot.disk-not-found")
    kernel = Script().booted().serial("Linux version 6.1.0", "Loading, please wait...")
    kernel.serial("sd 2:0:0:0: [sda] 41943040 512-byte logical blocks")
    assert said(kernel.serial(alert)) == ("fail", "initrd", "boot.initramfs-shell")


def test_the_statement_says_what_inspection_knows_of_the_cause() -> None:
    row = Finding(
        id="linux.virtio-scsi-missing", severity="error", statement="virtio_scsi is not there."
    )
    script = Script().add(events.CheckFinding(finding=row)).booted()
    script.serial("Linux version 6.1.0", "ALERT!  UUID=0 does not exist.  Dropping to a shell!")
    verdict = script.judge().verdict
    assert verdict
    assert verdict.findings[-1].statement.endswith("in vain. virtio_scsi is not there.")


def test_a_screen_proves_what_a_serial_line_does() -> None:
    lines = [
        "GRUB loading.",
        "error: unknown filesystem.",
        "Entering rescue mode...",
        "grub rescue>",
    ]
    script = Script().booted().add(events.ScreenText(lines, "#000000", "vga-text"))
    verdict = script.judge().verdict
    assert verdict
    assert (verdict.outcome, verdict.cause) == ("fail", "boot.loader-failed")
    assert verdict.findings[-1].evidence == tuple(lines)


def test_the_remedy_is_in_the_words_of_the_image() -> None:
    script = Script().booted().serial("Linux version 6.1.0", "Begin: Loading essential drivers ...")
    verdict = script.serial("ALERT!  UUID=0 does not exist.  Dropping to a shell!").judge().verdict
    assert verdict
    assert "update-initramfs -u" in verdict.findings[-1].remedy


def test_a_blue_screen_is_named_by_its_stop_code() -> None:
    lines = ["A problem has been detected", "*** STOP: 0x0000007B (0xFFFFF880009A97E8,0x0,0x0,0x0)"]
    script = Script().booted().add(events.ScreenText(lines, "#0000aa", "vga-text"))
    verdict = script.judge().verdict
    assert verdict
    assert verdict.cause == "boot.bugcheck"
    assert "STOP 0x0000007B INACCESSIBLE_BOOT_DEVICE" in verdict.findings[-1].statement
    assert verdict.findings[-1].evidence == tuple(lines)


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
    assert said(script.silence()) == ("fail", "bootloader", "boot.loader-failed")


def test_a_mute_kernel_under_uefi_is_known_by_its_interrupt_table() -> None:
    script = started_by_uefi().add(events.CpuModeChange(mode="long", interrupt_table="high"))
    assert script.judge().tracker.timeline.furthest == "kernel"
    assert said(script.silence()) == ("fail", "kernel", "boot.hung")


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
def test_what_secure_boot_refuses(lines: tuple[str, ...], stage: str) -> None:
    script = under_uefi().serial(*lines)
    assert said(script) == ("fail", stage, "firmware.not-signed")
    change = settled(script)
    assert change
    assert change.name == "Secure Boot off in place of Secure Boot on"


def test_a_kernel_that_grub_may_not_start() -> None:
    script = under_uefi().serial(
        f"BdsDxe: starting Boot0001 {_DISK}",
        "error: bad shim signature.",
        "error: you need to load the kernel first.",
    )
    assert said(script.quiet(16.0)) == ("fail", "bootloader", "firmware.not-signed")


@pytest.mark.parametrize("end", [_SHELL, "BdsDxe: No bootable option or device was found."])
@pytest.mark.parametrize("fault", ["Not Found", "Unsupported"])
def test_uefi_says_that_there_is_nothing_to_boot(fault: str, end: str) -> None:
    script = under_uefi().serial(f"BdsDxe: failed to load Boot0001 {_DISK}: {fault}", end)
    assert said(script) == ("fail", "firmware", "boot.no-bootable-device")


@pytest.mark.parametrize("end", [_SHELL, _SETUP])
def test_a_loader_that_gives_control_back_to_uefi(end: str) -> None:
    assert said(started_by_uefi().serial(end)) == ("fail", "bootloader", "boot.loader-failed")


def test_a_disk_for_a_bios_only_is_the_cause_of_a_boot_that_ends_in_uefi() -> None:
    script = under_uefi()
    row = Finding(id="firmware.bios-only", severity="error", statement="It was found on the disk.")
    script.add(events.CheckFinding(finding=row)).serial(_SHELL)
    assert said(script) == ("fail", "firmware", "firmware.bios-only")


GUEST_V6 = "2001:db8:113::10"


def both() -> Script:
    return Script(seed={"address_v6": GUEST_V6}).linux()


def warned(script: Script) -> list[str]:
    verdict = script.judge().verdict
    assert verdict
    return [row.id for row in verdict.findings]


@pytest.mark.parametrize(
    ("what", "source", "target"), [("ipv6-probe", "::", GUEST_V6), ("icmpv6", GUEST_V6, "ff02::2")]
)
def test_a_guest_with_two_addresses_has_its_network_with_both(
    what: str, source: str, target: str
) -> None:
    script = both().frame("arp-reply")
    assert said(script) == (None,)
    script.frame(what, source, target=target)
    assert said(script) == ("pass", "network", None)
    assert warned(script) == []


def test_the_other_family_first() -> None:
    script = both().frame("ipv6-probe", "::", target=GUEST_V6)
    assert said(script) == (None,)
    assert said(script.frame("arp-reply")) == ("pass", "network", None)


def test_another_ipv6_address_is_not_the_seeds() -> None:
    script = both().frame("arp-reply").frame("ipv6-probe", "::", target="fe80::1")
    assert said(script) == (None,)


def test_a_guest_that_called_back_without_the_second_address_is_warned_of() -> None:
    script = both().frame("arp-reply").call(f"/{NONCE}/phone-home")
    assert said(script) == ("pass", "seed", None)
    assert warned(script) == ["network.ipv6-unconfigured"]


def test_a_guest_that_falls_silent_without_the_second_address_is_warned_of() -> None:
    script = both().frame("arp-reply").silence()
    assert said(script) == ("pass", "network", None)
    assert warned(script) == ["network.ipv6-unconfigured"]


def test_without_the_second_address_it_is_no_pass_that_is_strict() -> None:
    script = Script(strict=True, seed={"address_v6": GUEST_V6}).linux()
    script.frame("arp-reply").silence()
    assert said(script) == ("fail", "network", "network.ipv6-unconfigured")


CLOUD_INIT = events.CloudInitRecord("0", "done", "", ())
LOGIN = events.SshLogin("root", "", "", "", "", (), CLOUD_INIT)


def with_key() -> Script:
    return Script("ready", seed={"login": True}).linux().call(f"/{NONCE}/phone-home")


def test_ready_is_confirmed_by_a_login() -> None:
    script = with_key().call(f"/{NONCE}/ready", errors="[]", datasource="x")
    assert said(script) == (None,)
    assert said(script.add(LOGIN)) == ("pass", "ready", None)
    assert warned(script) == []


def test_a_login_proves_it_without_the_call() -> None:
    assert said(with_key().add(LOGIN)) == ("pass", "ready", None)


def test_a_login_tells_of_cloud_inits_errors() -> None:
    script = with_key().add(
        replace(LOGIN, cloud_init=replace(CLOUD_INIT, errors=("a module failed",)))
    )
    assert said(script) == ("pass", "ready", None)
    assert warned(script) == ["seed.failed"]


@pytest.mark.parametrize("call_first", [True, False])
def test_a_guest_that_lets_nobody_in_is_ready_and_warned_of(call_first: bool) -> None:
    script = with_key()
    if call_first:
        script.call(f"/{NONCE}/ready", errors="[]", datasource="x")
    script.add(events.SshFailure(reason="nothing answers on its port."))
    if not call_first:
        assert said(script) == (None,)
        script.call(f"/{NONCE}/ready", errors="[]", datasource="x")
    assert said(script) == ("pass", "ready", None)
    assert warned(script) == ["seed.key-refused"]


def test_where_dhcp_is_promised_nothing_else_is_said() -> None:
    for addressing, words in (("dhcp", "DHCP gives it"), ("static", "does not promise")):
        script = (
            Script(seed={"addressing": addressing}).linux().serial("cloud-init[1]: finished at x")
        )
        script.frame("dhcp-discover", "0.0.0.0")
        verdict = script.silence().judge().verdict
        assert verdict
        assert verdict.cause == "network.unconfigured"
        assert words in verdict.findings[-1].statement
        assert ("does not promise" in verdict.findings[-1].statement) is (addressing == "static")

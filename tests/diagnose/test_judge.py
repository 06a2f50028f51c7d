"""The judge, fed with events as the observers record them."""

from dataclasses import replace

import pytest

from harness.diagnose.judge import MAX_RESTARTS
from harness.evidence import events
from harness.model.finding import Finding
from tests.diagnose.script import NONCE, Script, outcome


@pytest.mark.parametrize("answer", ["arp-reply", "tcp-syn-ack", "tcp-reset", "tcp"])
def test_an_answer_from_the_seeds_address_proves_the_network(answer: str) -> None:
    assert outcome(Script().linux().frame(answer)) == ("pass", "network", None)


def test_the_call_with_the_nonce_proves_network_and_seed() -> None:
    script = Script("seed").linux().call(f"/{NONCE}/phone-home", instance_id="i-1")
    assert outcome(script) == ("pass", "seed", None)


def test_the_end_of_cloud_init_proves_ready() -> None:
    script = Script("ready").linux().frame("arp-reply")
    assert outcome(script) == (None,)
    script.call(f"/{NONCE}/ready", datasource="DataSourceNoCloud [seed=/dev/sr0]", errors="[]")
    assert outcome(script) == ("pass", "ready", None)


def test_errors_of_cloud_init_are_a_warning_and_strict_makes_them_a_fail() -> None:
    for strict, expected in (
        (False, ("pass", "ready", None)),
        (True, ("fail", "ready", "seed.failed")),
    ):
        script = Script("ready", strict=strict).linux()
        script.call(f"/{NONCE}/ready", datasource="x", errors='["bad module"]')
        assert outcome(script) == expected


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
    assert outcome(Script().linux().frame(**frame)) == (None,)


def test_a_call_without_the_nonce_proves_nothing() -> None:
    assert outcome(Script().linux().call("/guessed/phone-home")) == (None,)


def test_a_login_prompt_alone_is_no_pass() -> None:
    script = Script().linux().add(events.SerialPrompt(text="debian login: ", offset=99))
    assert outcome(script) == (None,)


def test_the_firmware_says_that_there_is_nothing_to_boot() -> None:
    script = Script().add(events.PowerOn()).firmware("SeaBIOS (version 1.16.2)")
    script.firmware("Boot failed: not a bootable disk", "No bootable device.")
    assert outcome(script) == ("fail", "firmware", "boot.no-bootable-device")
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
    assert outcome(script) == (None,)
    script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert outcome(script.linux().frame("arp-reply")) == ("pass", "network", None)


def test_a_panic_for_good_is_a_fail_at_once() -> None:
    script = Script().booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: no init")
    assert outcome(script) == (None,)
    script.serial("---[ end Kernel panic - not syncing: no init ]---")
    assert outcome(script) == ("fail", "kernel", "boot.kernel-panic")


def test_a_panic_whose_end_was_not_seen_is_the_cause_when_silence_follows() -> None:
    script = Script().booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: x")
    assert outcome(script.silence()) == ("fail", "kernel", "boot.kernel-panic")


def test_no_panic_is_seen_in_words_that_only_look_like_one() -> None:
    script = Script().linux().serial("watchdog: Shutting down hard lockup detector on all cpus")
    script.serial("kernel.panic = 10", "Kernel command line: panic=1")
    assert outcome(script) == (None,)


@pytest.mark.parametrize(
    ("prompt", "cause"),
    [
        ("(initramfs) ", "boot.initramfs-shell"),
        ("grub rescue> ", "boot.loader-failed"),
        ("grub> ", "boot.loader-failed"),
    ],
)
def test_a_prompt_that_nobody_answers_is_a_failure(prompt: str, cause: str) -> None:
    script = Script().booted().add(events.SerialPrompt(text=prompt, offset=0))
    verdict = script.judge().verdict
    assert verdict is not None
    assert (verdict.outcome, verdict.cause) == ("fail", cause)


def test_only_many_resets_are_a_reset_loop() -> None:
    script = Script()
    for _ in range(MAX_RESTARTS):
        assert outcome(script) == (None,)
        script.booted()
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert outcome(script) == ("fail", "bootloader", "boot.reset-loop")


def test_one_reboot_may_be_several_resets() -> None:
    script = Script().booted()
    for _ in range(MAX_RESTARTS):
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert outcome(script) == (None,)


def test_the_same_failure_twice_is_a_reset_loop() -> None:
    script = Script()
    for _ in range(2):
        assert outcome(script) == (None,)
        script.booted().serial("Linux version 6.1.0", "Kernel panic - not syncing: no init")
        script.add(events.QmpEvent(name="RESET", detail={"guest": True, "reason": "guest-reset"}))
    assert outcome(script) == ("fail", "kernel", "boot.reset-loop")


def test_a_reset_by_harness_does_not_count() -> None:
    script = Script()
    for _ in range(MAX_RESTARTS + 1):
        script.add(
            events.QmpEvent(name="RESET", detail={"guest": False, "reason": "host-qmp-quit"})
        )
    assert outcome(script) == (None,)


def test_the_guest_switches_itself_off() -> None:
    off = {"guest": True, "reason": "guest-shutdown"}
    script = Script().linux().add(events.QmpEvent(name="SHUTDOWN", detail=off))
    assert outcome(script) == ("fail", "userspace", "boot.powered-off")


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
def test_silence_fails_by_the_stage_that_was_reached(
    script: Script, stage: str, cause: str
) -> None:
    assert outcome(script.silence()) == ("fail", stage, cause)


def test_the_end_of_the_time_given_proves_nothing_of_a_guest_still_at_work() -> None:
    script = Script().linux().add(events.TimeOver(slowness=1.0))
    assert outcome(script) == ("inconclusive", "userspace", None)


def test_silence_after_the_network_is_a_pass_with_a_warning() -> None:
    script = Script("seed").linux().frame("arp-reply").silence()
    assert outcome(script) == ("pass", "network", None)
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
    assert outcome(script) == ("error", "userspace", cause)


def test_a_full_disk_of_the_host_is_not_the_images_fault() -> None:
    script = Script().linux()
    script.add(events.QmpEvent(name="BLOCK_IO_ERROR", detail={"nospace": True, "action": "stop"}))
    assert outcome(script) == ("error", "userspace", "host.no-space")


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
    assert outcome(script) == ("error", "userspace", "host.no-space")


def test_a_disk_that_the_host_cannot_read_is_not_the_images_fault() -> None:
    detail = {"nospace": False, "operation": "read", "reason": "Input/output error"}
    script = Script().linux().add(events.QmpEvent(name="BLOCK_IO_ERROR", detail=detail))
    assert outcome(script) == ("error", "userspace", "host.read-failed")


def test_an_image_that_qemu_finds_corrupt_fails() -> None:
    detail = {"node-name": "image", "msg": "Cluster allocation offset 0x7d0 unaligned"}
    script = Script().booted().add(events.QmpEvent(name="BLOCK_IMAGE_CORRUPTED", detail=detail))
    assert outcome(script) == ("fail", "bootloader", "qcow2.corrupt")


def test_a_verdict_does_not_change() -> None:
    script = Script().linux().frame("arp-reply")
    script.serial("---[ end Kernel panic - not syncing: late ]---").silence()
    script.add(events.HostFault(finding="host.interrupted", statement="late"))
    assert outcome(script) == ("pass", "network", None)


def test_an_image_that_changed_takes_the_verdict_back() -> None:
    script = Script().linux().frame("arp-reply").add(events.ImageChange())
    assert outcome(script) == ("error", "network", "host.image-changed")


def test_an_image_that_the_checks_refuse_fails_without_a_stage() -> None:
    bad = Finding(id="format.archive", severity="error", statement="It is an archive.")
    script = Script().add(events.CheckFinding(finding=bad)).add(events.ChecksEnd())
    assert outcome(script) == ("fail", None, "format.archive")


@pytest.mark.parametrize("known", ["firmware.uefi-only", "arch.not-x86-64"])
def test_what_inspection_found_is_the_cause_of_a_boot_that_ends_in_the_firmware(known: str) -> None:
    row = Finding(id=known, severity="error", statement="It was found on the disk.")
    script = Script().add(events.CheckFinding(finding=row)).add(events.PowerOn())
    script.add(events.FirmwareLine("No bootable device.", 0))
    assert outcome(script) == ("fail", "power-on", known)


def test_another_finding_of_inspection_is_not_the_cause() -> None:
    row = Finding(id="disk.no-bootloader", severity="error", statement="It has no boot loader.")
    script = Script().add(events.CheckFinding(finding=row)).add(events.PowerOn())
    script.add(events.FirmwareLine("No bootable device.", 0))
    assert outcome(script) == ("fail", "power-on", "boot.no-bootable-device")


def test_a_pending_finding_waits_for_its_own_silence() -> None:
    script = Script().booted().add(events.DiskReads(read_bytes=900_000))
    script.serial("error: file `/boot/vmlinuz-9' not found.")
    assert outcome(script.quiet(15)) == (None,)
    assert outcome(script.quiet(30)) == ("fail", "bootloader", "boot.loader-failed")


def test_a_later_stage_drops_a_pending_finding() -> None:
    script = Script().booted().serial("error: no such device: root.", "Linux version 6.1.0")
    assert outcome(script.quiet(60)) == (None,)


def test_a_boot_sector_that_reads_nothing_is_known_sooner_than_one_that_works() -> None:
    dead = Script().booted().add(events.DiskReads(read_bytes=512)).quiet(8)
    assert outcome(dead) == ("fail", "bootloader", "boot.loader-failed")
    loads = Script().booted().add(events.DiskReads(read_bytes=900_000)).quiet(8)
    assert outcome(loads) == (None,)
    assert outcome(loads.quiet(30)) == ("fail", "bootloader", "boot.loader-failed")


def test_silence_after_the_end_of_cloud_init_fails_sooner() -> None:
    done = "cloud-init[500]: Cloud-init v. 22.4.2 finished at Mon. Datasource DataSourceNone"
    assert outcome(Script().linux().quiet(15)) == (None,)
    assert outcome(Script().linux().serial(done).quiet(15)) == (
        "fail",
        "userspace",
        "network.silent",
    )


def test_a_disk_that_was_seen_tells_a_wrong_name_from_a_missing_driver() -> None:
    alert = "ALERT!  UUID=0 does not exist.  Dropping to a shell!"
    kernel = Script().booted().serial("Linux version 6.1.0", "Loading, please wait...")
    assert outcome(kernel.serial(alert)) == ("fail", "initrd", "boot.disk-not-found")
    kernel = Script().booted().serial("Linux version 6.1.0", "Loading, please wait...")
    kernel.serial("sd 2:0:0:0: [sda] 41943040 512-byte logical blocks")
    assert outcome(kernel.serial(alert)) == ("fail", "initrd", "boot.initramfs-shell")


def test_the_statement_names_what_inspection_found() -> None:
    row = Finding(
        id="linux.virtio-scsi-missing", severity="error", statement="virtio_scsi is not there."
    )
    script = Script().add(events.CheckFinding(finding=row)).booted()
    script.serial("Linux version 6.1.0", "ALERT!  UUID=0 does not exist.  Dropping to a shell!")
    verdict = script.judge().verdict
    assert verdict
    assert verdict.findings[-1].statement.endswith("in vain. virtio_scsi is not there.")


def test_a_screen_proves_the_same_as_a_serial_line() -> None:
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


def test_the_remedy_names_the_tools_of_the_image() -> None:
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


GUEST_V6 = "2001:db8:113::10"


def dual_stack() -> Script:
    return Script(seed={"address_v6": GUEST_V6}).linux()


def finding_ids(script: Script) -> list[str]:
    verdict = script.judge().verdict
    assert verdict
    return [row.id for row in verdict.findings]


@pytest.mark.parametrize(
    ("what", "source", "target"), [("ipv6-probe", "::", GUEST_V6), ("icmpv6", GUEST_V6, "ff02::2")]
)
def test_a_guest_with_two_addresses_has_its_network_with_both(
    what: str, source: str, target: str
) -> None:
    script = dual_stack().frame("arp-reply")
    assert outcome(script) == (None,)
    script.frame(what, source, target=target)
    assert outcome(script) == ("pass", "network", None)
    assert finding_ids(script) == []


def test_ipv6_before_ipv4_passes_too() -> None:
    script = dual_stack().frame("ipv6-probe", "::", target=GUEST_V6)
    assert outcome(script) == (None,)
    assert outcome(script.frame("arp-reply")) == ("pass", "network", None)


def test_another_ipv6_address_is_not_the_seeds() -> None:
    script = dual_stack().frame("arp-reply").frame("ipv6-probe", "::", target="fe80::1")
    assert outcome(script) == (None,)


def test_a_call_without_the_second_address_is_a_pass_with_a_warning() -> None:
    script = dual_stack().frame("arp-reply").call(f"/{NONCE}/phone-home")
    assert outcome(script) == ("pass", "seed", None)
    assert finding_ids(script) == ["network.ipv6-unconfigured"]


def test_silence_without_the_second_address_is_a_pass_with_a_warning() -> None:
    script = dual_stack().frame("arp-reply").silence()
    assert outcome(script) == ("pass", "network", None)
    assert finding_ids(script) == ["network.ipv6-unconfigured"]


def test_strict_fails_without_the_second_address() -> None:
    script = Script(strict=True, seed={"address_v6": GUEST_V6}).linux()
    script.frame("arp-reply").silence()
    assert outcome(script) == ("fail", "network", "network.ipv6-unconfigured")


CLOUD_INIT = events.CloudInitRecord("0", "done", "", ())
LOGIN = events.SshLogin("root", "", "", "", "", (), CLOUD_INIT)


def with_ssh_key() -> Script:
    return Script("ready", seed={"login": True}).linux().call(f"/{NONCE}/phone-home")


def test_ready_is_confirmed_by_a_login() -> None:
    script = with_ssh_key().call(f"/{NONCE}/ready", errors="[]", datasource="x")
    assert outcome(script) == (None,)
    assert outcome(script.add(LOGIN)) == ("pass", "ready", None)
    assert finding_ids(script) == []


def test_a_login_proves_ready_without_the_call() -> None:
    assert outcome(with_ssh_key().add(LOGIN)) == ("pass", "ready", None)


def test_errors_of_cloud_init_seen_by_a_login_are_a_warning() -> None:
    script = with_ssh_key().add(
        replace(LOGIN, cloud_init=replace(CLOUD_INIT, errors=("a module failed",)))
    )
    assert outcome(script) == ("pass", "ready", None)
    assert finding_ids(script) == ["seed.failed"]


@pytest.mark.parametrize("call_first", [True, False])
def test_a_guest_that_refuses_the_key_is_ready_with_a_warning(call_first: bool) -> None:
    script = with_ssh_key()
    if call_first:
        script.call(f"/{NONCE}/ready", errors="[]", datasource="x")
    script.add(events.SshFailure(reason="nothing answers on its port."))
    if not call_first:
        assert outcome(script) == (None,)
        script.call(f"/{NONCE}/ready", errors="[]", datasource="x")
    assert outcome(script) == ("pass", "ready", None)
    assert finding_ids(script) == ["seed.key-refused"]


def test_the_statement_about_dhcp_follows_the_providers_promise() -> None:
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

"""Console logs from anywhere: real ones of the corpus, pasted ones, and files that are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.screen.ocr import ocr_is_installed
from harness.trial.console_log import judge_console_log, judge_screen
from tests.corpus import CORPUS, needs_corpus
from tests.program import harness

pytestmark = pytest.mark.programs

_WHY = "VFS: Unable to mount root fs on unknown-block(0,0)"
PANIC = f"""\
[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)
[    1.612494] Kernel panic - not syncing: {_WHY}
[    1.616166] ---[ end Kernel panic - not syncing: {_WHY} ]---
"""
GOOD = """\
[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)
[    2.000000] sd 2:0:0:0: [sda] Attached SCSI disk
Begin: Running /scripts/local-bottom ... done.
Welcome to Debian GNU/Linux 12 (bookworm)!
debian login: """


def said(text: str | bytes, folder: Path) -> tuple[str, str | None, str | None]:
    path = folder / "console.log"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    result = judge_console_log(path)
    return result.outcome, result.stage, result.cause


# What is right of each by MANIFEST.tsv: outcome, the stage at least, cause.
_LOGS = {
    "alpine-amd64-directkernel.log": ("inconclusive", "userspace", None),
    "efi-grub-rescue-2.06.log": ("fail", "firmware", "boot.no-bootable-device"),
    "firecracker-2021.txt": ("fail", "initrd", "boot.emergency-mode"),
    "kernelpanic.log": ("fail", "userspace", "boot.kernel-panic"),
    "linux_boot_001.log": ("inconclusive", None, None),
    "linux_boot_002.log": ("fail", "kernel", "boot.kernel-panic"),
    "linux_boot_004.log": ("inconclusive", "initrd", None),
    "linux_boot_008.log": ("fail", "initrd", "boot.kernel-panic"),
    "log-debcloud-noinitrd.log": ("fail", "kernel", "boot.disk-not-found"),
    "log-di12-text.log": ("inconclusive", "installer", None),
    "perf_dpdk_l3fwd_ntttcp_tcp-d52b09b1.log": ("fail", "userspace", "boot.kernel-panic"),
    "smoke_test-17e6069e.log": ("inconclusive", "userspace", None),
    "smoke_test-69091f30.log": ("fail", "userspace", "network.unconfigured"),
    "smoke_test-865a48b3.log": ("fail", "initrd", "boot.disk-not-found"),
    "test_baseline_001.log": ("inconclusive", "initrd", None),
    "validate_netvsc_reload-cb7b5d60.log": ("inconclusive", "userspace", None),
    "verify_dpdk_build_gb_hugepages_netvsc-6e7a8cb0.log": ("inconclusive", "userspace", None),
    "verify_openssl_version-71b79913.log": ("inconclusive", "userspace", None),
    "virtme-ng-108.txt": ("fail", "kernel", "boot.disk-not-found"),
}


@pytest.mark.corpus
@needs_corpus
@pytest.mark.parametrize("name", _LOGS)
def test_real_consoles_are_judged_right(name: str) -> None:
    result = judge_console_log(CORPUS / "serial-logs" / name)
    assert (result.outcome, result.stage, result.cause) == _LOGS[name]
    if result.outcome == "fail":
        cause = next(row for row in result.findings if row.id == result.cause)
        assert cause.evidence
        assert cause.remedy


@pytest.mark.corpus
@needs_corpus
@pytest.mark.skipif(not ocr_is_installed(), reason="tesseract is not installed (tesseract-ocr)")
@pytest.mark.parametrize(
    ("name", "outcome", "cause"),
    [
        ("bsod-1.png", "fail", "boot.bugcheck"),
        ("bsod-3.png", "fail", "boot.bugcheck"),
        ("lisa-1d1c7bbc.png", "inconclusive", None),
        ("lisa-37691d7f.png", "inconclusive", None),
    ],
)
def test_real_screens_are_judged_right(name: str, outcome: str, cause: str | None) -> None:
    result = judge_screen(CORPUS / "screens" / name)
    assert (result.outcome, result.cause) == (outcome, cause)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n", b"no picture"])
def test_a_file_that_is_no_picture_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "screen.png"
    path.write_bytes(content)
    done = harness("replay", "--screen", path)
    assert done.returncode == 2
    assert str(path) in done.stderr


def test_a_panic_is_a_fail_and_says_what_was_missing(tmp_path: Path) -> None:
    assert said(PANIC, tmp_path) == ("fail", "kernel", "boot.disk-not-found")


def test_a_panic_after_the_disk_was_found_has_another_reason(tmp_path: Path) -> None:
    text = PANIC.replace(_WHY, "No working init")
    assert said(text, tmp_path) == ("fail", "kernel", "boot.kernel-panic")


def test_a_log_of_two_boots_is_judged_by_the_second(tmp_path: Path) -> None:
    assert said(PANIC + GOOD, tmp_path) == ("inconclusive", "userspace", None)
    assert said(GOOD + "\n" + PANIC, tmp_path)[0] == "fail"


def test_a_panic_before_a_reset_counts_until_a_later_boot_gets_further(
    tmp_path: Path,
) -> None:
    cut = "".join(PANIC.splitlines(keepends=True)[:2])
    again = "[    0.000000] Linux version 6.1.0\n"
    assert said(cut + again, tmp_path) == ("fail", "kernel", "boot.disk-not-found")


def test_a_shell_that_the_boot_leaves_again_is_no_failure(tmp_path: Path) -> None:
    shell = "[    0.000000] Linux version 6.1.0\nLoading, please wait...\n(initramfs) exit\n"
    assert said(shell.replace("exit", ""), tmp_path)[2] == "boot.initramfs-shell"
    assert said(shell + GOOD[GOOD.index("Begin") :], tmp_path) == (
        "inconclusive",
        "userspace",
        None,
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no text"),
        (b"\0" * 4096, "holds no text"),
        (b"\x7fELF" + bytes(5000) + b"x", "is no text"),
    ],
)
def test_a_file_that_is_no_console_log_is_refused(
    tmp_path: Path, content: bytes, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        said(content, tmp_path)


def test_hostile_text_reaches_the_terminal_as_harmless_text(tmp_path: Path) -> None:
    path = tmp_path / "console.log"
    path.write_bytes(b"\x1b]0;owned\x07" + PANIC.replace("VFS", "\x1b[2J\x9bVFS").encode())
    done = harness("replay", "--serial", path)
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\x9b" not in done.stdout


def test_user_rules_take_precedence(tmp_path: Path) -> None:
    log, rules = tmp_path / "console.log", tmp_path / "mine.toml"
    log.write_text(GOOD + "\nappliance: licence server not reached\n")
    rules.write_text(
        """
[[rule]]
id = "site.licence"
channels = ["serial"]
pattern = 'appliance: (?P<what>.*) not reached'
finding = "site.licence-missing"
statement = "The appliance stops without its {what}."
remedy = "Put the address of the {what} into /etc/appliance.conf."
source = "the appliance's manual"
"""
    )
    done = harness("replay", "--serial", log, "--rules", rules, "--json")
    result = json.loads(done.stdout)
    assert (result["outcome"], result["cause"]) == ("fail", "site.licence-missing")
    assert result["findings"][-1]["statement"] == "The appliance stops without its licence server."


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[[rule]]\nid = 'a'", "mine.toml: rule.0.channels: Field required"),
        ("nonsense", "mine.toml: not TOML"),
        ("[[rule]]\nid='a'\nchannels=['serial']\npattern='('\nsource='x'", "rule.0.pattern"),
    ],
)
def test_an_invalid_table_of_rules_is_an_error(tmp_path: Path, text: str, words: str) -> None:
    log, rules = tmp_path / "console.log", tmp_path / "mine.toml"
    log.write_text(PANIC)
    rules.write_text(text)
    done = harness("replay", "--serial", log, "--rules", rules)
    assert done.returncode == 2
    assert words in done.stderr


def test_replay_needs_exactly_one_argument() -> None:
    done = harness("replay")
    assert done.returncode == 2
    assert "name one of: the folder of a run, a console log" in done.stderr

import re
from typing import get_args

import pytest

from harness.diagnose.machine_state import DISK_SEEN, IPV6_TAKEN, InspectionSign, MachineState
from harness.diagnose.prompts import shipped_prompts
from harness.diagnose.rules import Channel, parse_rules, shipped_rules
from harness.errors import UsageError
from harness.model.finding import INITRAMFS_TOOLS, finding_catalog
from harness.model.stages import rank


def test_every_finding_of_a_rule_is_in_the_catalog() -> None:
    rules = shipped_rules().rules
    assert {rule.finding for rule in rules if rule.finding} <= set(finding_catalog())
    assert len({rule.id for rule in rules}) == len(rules)


def test_every_fault_of_a_table_is_named_at_once() -> None:
    text = """
[[rule]]
id = "a"
channels = ["radio"]
pattern = "("
source = "x"

[[rule]]
id = "b"
channels = ["serial"]
pattern = "x"
source = "x"
"""
    with pytest.raises(UsageError) as caught:
        parse_rules(text, "mine.toml")
    for words in ("mine.toml", "rule.0.channels", "rule.0.pattern", "a stage, a sign, a finding"):
        assert words in str(caught.value)


def test_a_table_that_is_not_toml_is_an_error() -> None:
    with pytest.raises(UsageError, match=r"mine.toml: not TOML"):
        parse_rules("[[", "mine.toml")


@pytest.mark.parametrize(
    ("channel", "text", "proved"),
    [
        ("firmware", "SeaBIOS (version 1.16.2-debian-1.16.2-1)", "firmware"),
        ("firmware", "Booting from 0000:7c00", "bootloader"),
        ("firmware", "Booting from Hard Disk...", None),
        (
            "serial",
            'BdsDxe: loading Boot0001 "UEFI QEMU" from PciRoot(0x0)/Pci(0x5,0x0)',
            "firmware",
        ),
        (
            "serial",
            'BdsDxe: starting Boot0001 "UEFI QEMU" from PciRoot(0x0)/Pci(0x5,0x0)',
            "bootloader",
        ),
        (
            "serial",
            'BdsDxe: failed to load Boot0001 "UEFI QEMU" from Pci(0x5): Not Found',
            "firmware",
        ),
        ("serial", 'BdsDxe: starting Boot0002 "EFI Internal Shell" from Fv(7CB8)/FvF', None),
        ("serial", "Welcome to GRUB!", "bootloader"),
        ("serial", "                             GNU GRUB  version 2.06-13+deb12u1", "bootloader"),
        ("serial", "[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel)", "kernel"),
        ("serial", "Linux version 6.18.1-0-virt (buildozer@build)", "kernel"),
        ("serial", "the Linux version 6.1 is old", None),
        ("serial", "[    1.5] Run /init as init process", "initrd"),
        ("serial", "Loading, please wait...", "initrd"),
        ("serial", "Begin: Running /scripts/local-bottom ... done.", "root"),
        ("serial", "Welcome to Debian GNU/Linux 12 (bookworm)!", "userspace"),
        ("serial", "Welcome to Fedora Linux 40 (Cloud Edition) dracut-101 (Initramfs)!", "initrd"),
        ("serial", "   OpenRC 0.62.6 is starting up Linux 6.18.1-0-virt (x86_64)", "userspace"),
        ("serial", "debian login: ", "userspace"),
        ("serial", "Last login: Mon Nov 23 on ttyS0", None),
        ("serial", "Cloud-init v. 22.4.2 running 'init-local' at Mon, 23 Nov 2026", "userspace"),
    ],
)
def test_a_text_proves_its_stage(channel: Channel, text: str, proved: str | None) -> None:
    matches = shipped_rules().matches(channel, text, MachineState())
    stages = [match.rule.stage for match in matches if match.rule.stage]
    assert max(stages, key=rank, default=None) == proved


def test_every_sign_is_set_and_tested() -> None:
    rules = shipped_rules().rules
    outcome = {rule.sign for rule in rules if rule.sign} | {DISK_SEEN, IPV6_TAKEN}
    conditions = [rule.when for rule in (*rules, *shipped_prompts())]
    asked = {sign for when in conditions for sign in (*when.signs, *when.no_signs)}
    assert asked <= outcome | set(get_args(InspectionSign))
    in_code = {*INITRAMFS_TOOLS, DISK_SEEN, IPV6_TAKEN, "finished"}
    assert outcome | set(get_args(InspectionSign)) <= asked | in_code


def test_the_groups_of_a_quoted_rule_are_used_by_a_statement() -> None:
    rules = shipped_rules().rules
    named = {name for rule in rules for name in re.findall(r"\{(\w+)\}", rule.statement)}
    quoted = [rule for rule in rules if rule.quoted]
    assert all(rule.pattern and named & set(rule.pattern.groupindex) for rule in quoted)

"""The answers that are shell: Alpine's files and FreeBSD's script, read by sh and held to keys."""

import io
import re
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.installer.answers import write_answers
from harness.installer.families import Family
from harness.installer.values import AnswerValues

TextOf = Callable[[str, str], str]
FamilyNamed = Callable[[str], Family]

# setup-alpine(8), ANSWER FILE.
ALPINE_KEYS = {
    "KEYMAPOPTS",
    "HOSTNAMEOPTS",
    "DEVDOPTS",
    "INTERFACESOPTS",
    "DNSOPTS",
    "TIMEZONEOPTS",
    "PROXYOPTS",
    "APKREPOSOPTS",
    "USEROPTS",
    "USERSSHKEY",
    "SSHDOPTS",
    "ROOTSSHKEY",
    "NTPOPTS",
    "DISKOPTS",
    "LBUOPTS",
    "APKCACHEOPTS",
    "WIFIOPTS",
    "XENDOM0OPTS",
}
# bsdinstall(8), ENVIRONMENT VARIABLES and SCRIPTING.
FREEBSD_KEYS = {
    "DISTRIBUTIONS",
    "PARTITIONS",
    "BSDINSTALL_DISTDIR",
    "BSDINSTALL_DISTSITE",
    "ZFSBOOT_DISKS",
    "ZFSBOOT_VDEV_TYPE",
    "ROOTPASS_ENC",
    "ROOTPASS_PLAIN",
}


def syntax_fault(script: str) -> str:
    """What sh says against a script; nothing where it reads it."""
    return subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True).stderr


def assigned(script: str) -> dict[str, str]:
    """The variables that a file sets, as a shell that reads it has them."""
    names = re.findall(r"(?m)^(?:export )?([A-Za-z_]+)=", script)
    shown = "".join(f'\nprintf "%s\\0" "${name}"' for name in names)
    values = subprocess.run(
        ["sh", "-u"], input=script + shown, capture_output=True, text=True, check=True
    ).stdout.split("\0")
    return dict(zip(names, values, strict=False))


@pytest.fixture
def overlay(family_named: FamilyNamed, values: AnswerValues) -> dict[str, str]:
    """The files of Alpine's overlay."""
    (content,) = write_answers(family_named("Alpine"), values).initrd_files.values()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {entry.name: tar.extractfile(entry) for entry in tar if entry.isfile()}
        return {name: file.read().decode() for name, file in files.items() if file}


def test_alpines_files_are_shell(overlay: dict[str, str]) -> None:
    assert [syntax_fault(text) for text in overlay.values()] == [""] * 4


def test_alpines_answers_have_keys_of_setup_alpine(
    overlay: dict[str, str], values: AnswerValues, tmp_path: Path
) -> None:
    repositories = tmp_path / "repositories"
    repositories.write_text("/media/cdrom/apks\n")
    answers = overlay["etc/harness.answers"].replace("/etc/apk/repositories", str(repositories))
    keys = assigned(answers)
    assert keys.keys() <= ALPINE_KEYS
    assert "\taddress 203.0.113.10\n\tnetmask 255.255.255.0\n" in keys["INTERFACESOPTS"]
    assert keys["DISKOPTS"] == "-m sys -s 0 /dev/sda"
    archive = ["http://203.0.113.2:8080/debian"] if values.archive else []
    assert keys["APKREPOSOPTS"].split() == ["/media/cdrom/apks", *archive]


@pytest.mark.parametrize("status", [0, 3])
def test_alpines_machine_goes_off_only_after_an_installation(
    overlay: dict[str, str], values: AnswerValues, tmp_path: Path, status: int
) -> None:
    """The script with commands that record what they are given."""
    for name in ("setup-alpine", "chpasswd", "poweroff"):
        command = tmp_path / name
        result = status if name == "setup-alpine" else 0
        command.write_text(
            f'#!/bin/sh\necho "{name} $* $ERASE_DISKS"\n'
            f"[ {name} != chpasswd ] || cat\nexit {result}\n"
        )
        command.chmod(0o755)
    path = f"{tmp_path}:/usr/bin:/bin"
    said = subprocess.run(
        ["sh"],
        input=overlay["etc/harness.install"],
        env={"PATH": path},
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    assert f"root:{values.password_hash}" in said
    assert "setup-alpine -e -f /tmp/harness.answers /dev/sda" in said
    assert ("poweroff  /dev/sda" in said) == (status == 0)


def parts(installerconfig: str) -> tuple[str, str]:
    """The two halves of the file, as bsdinstall's "script" splits it: at a line with "#!"."""
    preamble, *scripts = re.split(r"(?m)^(?=#!)", installerconfig)
    assert len(scripts) == 1, "one preamble, one script"
    return preamble, scripts[0]


def test_freebsds_halves_are_shell(text_of: TextOf) -> None:
    preamble, script = parts(text_of("FreeBSD", "installerconfig"))
    assert syntax_fault(preamble) == syntax_fault(script) == ""
    assert assigned(preamble).keys() <= FREEBSD_KEYS


def test_freebsds_script_configures_the_nic_with_the_mac(text_of: TextOf, tmp_path: Path) -> None:
    """The script with commands that answer for two NICs, and record what they are given."""
    _, script = parts(text_of("FreeBSD", "installerconfig"))
    fakes = {
        "ifconfig": 'case $1 in -l) echo vtnet0 vtnet1;; vtnet1) echo "ether $MAC";; esac',
        "sysrc": 'echo "sysrc $*"',
        "pw": "cat",
        "shutdown": "echo off",
        "sleep": ":",
    }
    for name, body in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / name).chmod(0o755)
    for path in ("/etc/resolv.conf", "/boot/loader.conf"):
        script = script.replace(path, str(tmp_path / Path(path).name))
    said = subprocess.run(
        ["sh"],
        input=script,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "MAC": "00:50:56:0A:0B:0C"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert said[0] == "sysrc ifconfig_vtnet1=inet 203.0.113.10 netmask 255.255.255.0"
    assert said[-1] == "off"
    assert "ifconfig_vtnet0" not in "".join(said)
    assert 'boot_serial="YES"' in (tmp_path / "loader.conf").read_text()


@pytest.mark.parametrize("wrong", ["if true; then", "echo 'open", "for nic in $(; do :; done"])
def test_what_is_no_shell_is_refused(text_of: TextOf, wrong: str) -> None:
    _, script = parts(text_of("FreeBSD", "installerconfig"))
    assert syntax_fault(f"{wrong}\n{script}")


def test_a_wrong_key_is_seen(overlay: dict[str, str]) -> None:
    wrong = overlay["etc/harness.answers"].replace("DISKOPTS", "DISCOPTS")
    assert not assigned(wrong).keys() <= ALPINE_KEYS

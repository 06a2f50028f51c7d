import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.installer.answers import read_user_answers, write_answers
from harness.installer.families import Family, families
from harness.installer.values import AnswerValues
from tests.installer.answer_files import contents

NAMES = [family.name for family in families()]
FamilyNamed = Callable[[str], Family]


def members(content: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        return {entry.name: entry for entry in tar}


def whole_text(family: Family, values: AnswerValues) -> str:
    """All that the installer is given, tars unpacked."""
    texts = []
    for name, content in contents(write_answers(family, values)).items():
        if name.endswith(".tar.gz"):
            with tarfile.open(fileobj=io.BytesIO(content)) as tar:
                files = [tar.extractfile(entry) for entry in tar if entry.isfile()]
                texts += [file.read().decode() for file in files if file]
        else:
            texts.append(content.decode())
    return "\n".join(texts)


@pytest.mark.parametrize("name", NAMES)
def test_every_family_is_told_the_machine(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    family = family_named(name)
    text = whole_text(family, values)
    assert "harness_" not in text + write_answers(family, values).cmdline
    for value in (values.address.ip, values.router, values.nameserver, values.host_name):
        assert str(value) in text
    if name not in ("Debian", "Alpine"):  # those have no name for a NIC but its number
        assert values.texts()["mac"] in text or values.texts()["mac_with_dashes"] in text


@pytest.mark.parametrize("name", NAMES)
def test_every_installer_ends_with_the_power_off(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    ends = ("poweroff", "shutdown -p now", "shutdown /s", '<halt config:type="boolean">true')
    assert any(end in whole_text(family_named(name), values) for end in ends)


@pytest.mark.parametrize("name", NAMES)
def test_every_installed_system_has_a_serial_console(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    consoles = ("ttyS0", "comconsole", "EMSPORT:1")
    assert any(console in whole_text(family_named(name), values) for console in consoles)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("FreeBSD", "Windows")])
def test_an_archive_is_asked_only_where_there_is_one(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    answers = write_answers(family_named(name), values)
    text = whole_text(family_named(name), values) + answers.cmdline
    assert ("203.0.113.2:8080" in text) == (values.archive is not None)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_values_give_the_same_bytes(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    family = family_named(name)
    assert write_answers(family, values) == write_answers(family, values)


@pytest.mark.parametrize("name", NAMES)
def test_a_command_line_is_one_line_and_speaks_on_the_serial_port(
    name: str, family_named: FamilyNamed, values: AnswerValues
) -> None:
    answers = write_answers(family_named(name), values)
    assert "\n" not in answers.cmdline
    assert ("console=ttyS0,115200" in answers.cmdline) == bool(answers.cmdline)


def test_an_own_file_takes_the_place_of_the_main_one(
    family_named: FamilyNamed, values: AnswerValues
) -> None:
    own = "#!/bin/sh\necho $$ ${HOME} at ${harness_address}\n"
    files = contents(write_answers(family_named("Ubuntu"), values, own))
    assert files["user-data"].decode() == "#!/bin/sh\necho $$ ${HOME} at 203.0.113.10\n"
    assert b"instance-id" in files["meta-data"]


@pytest.mark.parametrize(
    ("own", "fault"),
    [
        ("${harness_nothing}", "asks for .*nothing"),
        ("${harness_address", "not closed"),
        ("${harness_ADDRESS}", "in capitals"),
    ],
)
def test_an_own_file_with_a_wrong_placeholder_is_refused(
    family_named: FamilyNamed, values: AnswerValues, own: str, fault: str
) -> None:
    with pytest.raises(UsageError, match=fault):
        write_answers(family_named("Debian"), values, own)


def test_an_own_file_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "own.cfg"
    path.write_text("d-i é\n")
    assert read_user_answers(path) == "d-i é\n"
    path.write_bytes(b"d-i \xff\n")
    with pytest.raises(UsageError, match="byte 4 is no UTF-8"):
        read_user_answers(path)
    path.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(UsageError, match="larger than 1 MiB"):
        read_user_answers(path)
    with pytest.raises(UsageError, match=r"none\.cfg: cannot be read"):
        read_user_answers(tmp_path / "none.cfg")


def test_an_overlay_is_roots_and_starts_its_script(
    family_named: FamilyNamed, values: AnswerValues
) -> None:
    (overlay,) = write_answers(family_named("Alpine"), values).initrd_files.values()
    entries = members(overlay)
    assert entries["etc/local.d/harness.start"].mode == 0o755
    assert entries["etc/runlevels/default/local"].linkname == "/etc/init.d/local"
    assert entries["etc/.default_boot_services"].size == 0
    assert {(entry.uid, entry.gid) for entry in entries.values()} == {(0, 0)}

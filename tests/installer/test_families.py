import pytest

from harness.errors import UsageError
from harness.image.iso.iso_image import IsoSystem, known_systems
from harness.installer.families import Template, families, family_for, parse_families

ROW = """
[[family]]
name = "Debian"
way = "initrd"
cmdline = "auto=true"
tried = "not run"
note = "A note."
sources = ["a book"]
[[family.files]]
to = "initrd"
path = "preseed.cfg"
template = "debian.preseed.cfg"
main = true
[family.choices.packages]
archive = "${harness_archive_url}"
no_archive = ""
"""


def test_the_table_is_read_and_names_families_that_are_recognised() -> None:
    known = {system.family for system in known_systems() if system.kind == "installer"}
    names = [family.name for family in families()]
    assert len(set(names)) == len(names)
    assert set(names) <= known


def test_a_row_that_is_whole_is_taken() -> None:
    (family,) = parse_families(ROW, "own.toml")
    assert family.name == "Debian"


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('cmdline = "auto=true"', "", "no kernel is started"),
        ('cmdline = "auto=true"', 'cmdline = "${harness_nothing}"', "no such placeholder: nothing"),
        ('cmdline = "auto=true"', 'cmdline = "${harness_mac"', "is not closed"),
        ('cmdline = "auto=true"', 'cmdline = "${harness_MAC}"', "in capitals"),
        ('template = "debian.preseed.cfg"', 'template = "none.cfg"', "no such template"),
        ("main = true", "main = false", "one file is the main one"),
        ('way = "initrd"', 'way = "answer ISO"', "contradict"),
        ('to = "initrd"', 'to = "iso"', "a label and files"),
        ('no_archive = ""', 'bios = ""', "a choice has the texts"),
        ('no_archive = ""', 'no_archive = "${harness_archive_url}"', "placeholder: archive_url"),
        ('tried = "not run"', 'tried = "perhaps"', "tried"),
        ('sources = ["a book"]', "sources = []", "sources"),
        ('path = "preseed.cfg"', 'path = "../preseed.cfg/"', "path"),
        ("main = true", 'main = true\nlink = "/etc/passwd"', "inside an archive"),
    ],
)
def test_a_wrong_row_is_refused(old: str, new: str, fault: str) -> None:
    assert old in ROW
    with pytest.raises(UsageError, match=fault):
        parse_families(ROW.replace(old, new), "own.toml")


def test_every_fault_is_named_at_once() -> None:
    wrong = ROW.replace('"auto=true"', '"${harness_one}"').replace("debian.preseed", "two")
    with pytest.raises(UsageError, match=r"(?s)own\.toml: .*no such placeholder: one.*two\.cfg"):
        parse_families(wrong, "own.toml")


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(UsageError, match="not TOML"):
        parse_families("[[family", "own.toml")


def test_only_our_placeholders_are_replaced() -> None:
    text = "$$ ${PATH} $mac ${harness_mac} $6$salt$hash %s {x}"
    assert Template(text).substitute(mac="00:50") == "$$ ${PATH} $mac 00:50 $6$salt$hash %s {x}"


def system(family: str, kind: str = "installer") -> IsoSystem:
    fields = {"family": family, "kind": kind, "any_of": ["x"], "source": "a test"}
    return IsoSystem.model_validate(fields)


def test_the_family_of_an_iso_is_that_of_its_installer() -> None:
    found = family_for([system("Ubuntu", "live"), system("SUSE"), system("Debian")])
    assert found is not None
    assert found.name == "SUSE"
    assert family_for([system("OpenBSD")]) is None
    assert family_for([system("Debian", "live")]) is None
    assert family_for([]) is None

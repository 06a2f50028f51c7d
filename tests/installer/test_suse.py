"""AutoYaST profiles, held against the elements that AutoYaST's schema has.

The schema (package yast2-schema) is put together from the RNC files of a dozen YaST modules and
is in no registry of Debian or PyPI. So the elements in use are written down here, with the type
that they must state: after yast-autoinstallation, src/autoyast-rnc (general, reporting,
partitioning, software), and the AutoYaST Guide for SLES 15 SP3 (network, boot loader, users).
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

import pytest

TextOf = Callable[[str, str], str]

YAST = "{http://www.suse.com/1.0/yast2ns}"
TYPE = "{http://www.suse.com/1.0/configns}type"

# The type of each element: "" for a text or a map, which may state none.
ELEMENTS = {
    "profile": "",
    "profile/general": "",
    "profile/general/mode": "",
    "profile/general/mode/confirm": "boolean",
    "profile/general/mode/second_stage": "boolean",
    "profile/general/mode/halt": "boolean",
    "profile/report": "",
    **{
        f"profile/report/{kind}{rest}": type_
        for kind in ("messages", "warnings", "errors", "yesno_messages")
        for rest, type_ in {
            "": "",
            "/log": "boolean",
            "/show": "boolean",
            "/timeout": "integer",
        }.items()
    },
    "profile/language": "",
    "profile/language/language": "",
    "profile/keyboard": "",
    "profile/keyboard/keymap": "",
    "profile/timezone": "",
    "profile/timezone/hwclock": "",
    "profile/timezone/timezone": "",
    "profile/networking": "",
    "profile/networking/keep_install_network": "boolean",
    "profile/networking/dns": "",
    "profile/networking/dns/dhcp_hostname": "boolean",
    "profile/networking/dns/hostname": "",
    "profile/networking/dns/nameservers": "list",
    "profile/networking/dns/nameservers/nameserver": "",
    "profile/networking/net-udev": "list",
    "profile/networking/net-udev/rule": "",
    "profile/networking/net-udev/rule/name": "",
    "profile/networking/net-udev/rule/rule": "",
    "profile/networking/net-udev/rule/value": "",
    "profile/networking/interfaces": "list",
    "profile/networking/interfaces/interface": "",
    "profile/networking/interfaces/interface/name": "",
    "profile/networking/interfaces/interface/bootproto": "",
    "profile/networking/interfaces/interface/ipaddr": "",
    "profile/networking/interfaces/interface/prefixlen": "",
    "profile/networking/interfaces/interface/startmode": "",
    "profile/networking/routing": "",
    "profile/networking/routing/routes": "list",
    "profile/networking/routing/routes/route": "",
    "profile/networking/routing/routes/route/destination": "",
    "profile/networking/routing/routes/route/gateway": "",
    "profile/networking/routing/routes/route/device": "",
    "profile/partitioning": "list",
    "profile/partitioning/drive": "",
    "profile/partitioning/drive/device": "",
    "profile/partitioning/drive/disklabel": "",
    "profile/partitioning/drive/initialize": "boolean",
    "profile/partitioning/drive/use": "",
    "profile/partitioning/drive/partitions": "list",
    "profile/partitioning/drive/partitions/partition": "",
    "profile/partitioning/drive/partitions/partition/create": "boolean",
    "profile/partitioning/drive/partitions/partition/format": "boolean",
    "profile/partitioning/drive/partitions/partition/filesystem": "symbol",
    "profile/partitioning/drive/partitions/partition/mount": "",
    "profile/partitioning/drive/partitions/partition/partition_id": "integer",
    "profile/partitioning/drive/partitions/partition/size": "",
    "profile/bootloader": "",
    "profile/bootloader/loader_type": "",
    "profile/bootloader/global": "",
    "profile/bootloader/global/append": "",
    "profile/bootloader/global/timeout": "integer",
    "profile/software": "",
    "profile/software/patterns": "list",
    "profile/software/patterns/pattern": "",
    "profile/users": "list",
    "profile/users/user": "",
    "profile/users/user/username": "",
    "profile/users/user/user_password": "",
    "profile/users/user/encrypted": "boolean",
}
VALUES = {"boolean": {"true", "false"}, "loader_type": {"grub2", "grub2-efi"}}


def faults(text: str) -> list[str]:
    """What is wrong with a profile; raises ParseError where it is no XML."""
    return [fault for path, element in walk(ET.fromstring(text)) for fault in at(path, element)]


def walk(element: ET.Element, above: str = "") -> Iterator[tuple[str, ET.Element]]:
    path = above + element.tag.removeprefix(YAST)
    yield path, element
    for child in element:
        yield from walk(child, f"{path}/")


def at(path: str, element: ET.Element) -> Iterator[str]:
    if path not in ELEMENTS:
        yield f"{path}: no such element"
        return
    type_ = element.get(TYPE, "")
    if type_ != ELEMENTS[path]:
        yield f"{path}: of type {type_!r}"
    for key in (type_, path.rpartition("/")[2]):
        if key in VALUES and element.text not in VALUES[key]:
            yield f"{path}: {element.text!r}"
    if type_ == "integer" and not (element.text or "").isdigit():
        yield f"{path}: {element.text!r}"


def test_the_elements_and_types_are_those_of_autoyast(text_of: TextOf) -> None:
    assert faults(text_of("SUSE", "autoinst.xml")) == []


def test_the_boot_partition_is_that_of_the_firmware(text_of: TextOf) -> None:
    text = text_of("SUSE", "autoinst.xml")
    profile = ET.fromstring(text)
    loader = profile.findtext(f"{YAST}bootloader/{YAST}loader_type")
    ids = [element.text for element in profile.iter(f"{YAST}partition_id")]
    assert (loader, ids) in [("grub2", ["263"]), ("grub2-efi", ["259"])]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<halt ", "<stop "),
        ('<confirm config:type="boolean">', "<confirm>"),
        ('config:type="boolean">true', 'config:type="boolean">yes'),
        ("http://www.suse.com/1.0/yast2ns", "http://www.suse.com/yast2ns"),
        ("<loader_type>grub2", "<loader_type>lilo"),
        ('<timeout config:type="integer">3', '<timeout config:type="integer">three'),
    ],
)
def test_a_wrong_one_is_refused(text_of: TextOf, old: str, new: str) -> None:
    text = text_of("SUSE", "autoinst.xml")
    assert old in text
    wrong = text.replace(old, new).replace("</halt>", "</stop>" if "stop" in new else "</halt>")
    assert faults(wrong)


def test_what_is_no_xml_is_refused(text_of: TextOf) -> None:
    with pytest.raises(ET.ParseError):
        faults(text_of("SUSE", "autoinst.xml").replace("</general>", ""))

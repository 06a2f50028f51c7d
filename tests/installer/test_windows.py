"""Answer files of Windows, held against the components, passes and settings of the reference.

Microsoft's own validator is Windows System Image Manager, which runs on Windows beside the WIM of
the disc. So what is in use is written down here, after the Unattended Windows Setup Reference
(learn.microsoft.com, "Components", and "Valid Configuration Passes" of each setting).
"""

import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator

import pytest

TextOf = Callable[[str, str], str]

NS = "{urn:schemas-microsoft-com:unattend}"
WCM = "{http://schemas.microsoft.com/WMIConfig/2002/State}"
INTERNATIONAL = {"InputLocale", "SystemLocale", "UILanguage", "UserLocale"}

SETTINGS = {
    ("windowsPE", "Microsoft-Windows-International-Core-WinPE"): {
        "SetupUILanguage",
        *INTERNATIONAL,
    },
    ("windowsPE", "Microsoft-Windows-Setup"): {
        "RunSynchronous",
        "DiskConfiguration",
        "ImageInstall",
        "UserData",
    },
    ("specialize", "Microsoft-Windows-Shell-Setup"): {"ComputerName", "TimeZone"},
    ("specialize", "Microsoft-Windows-TCPIP"): {"Interfaces"},
    ("specialize", "Microsoft-Windows-DNS-Client"): {"Interfaces"},
    ("specialize", "Microsoft-Windows-TerminalServices-LocalSessionManager"): {
        "fDenyTSConnections",
    },
    ("specialize", "Networking-MPSSVC-Svc"): {"FirewallGroups"},
    ("specialize", "Microsoft-Windows-Deployment"): {"RunSynchronous"},
    ("oobeSystem", "Microsoft-Windows-International-Core"): INTERNATIONAL,
    ("oobeSystem", "Microsoft-Windows-Shell-Setup"): {
        "OOBE",
        "UserAccounts",
        "AutoLogon",
        "FirstLogonCommands",
    },
}
IDENTITY = {
    "processorArchitecture": "amd64",
    "publicKeyToken": "31bf3856ad364e35",
    "language": "neutral",
    "versionScope": "nonSxS",
}
# Items of lists, which must say that they are added.
ITEMS = {
    "RunSynchronousCommand",
    "SynchronousCommand",
    "Disk",
    "CreatePartition",
    "ModifyPartition",
    "MetaData",
    "Interface",
    "IpAddress",
    "Route",
    "FirewallGroup",
    "LocalAccount",
}


def faults(text: str) -> list[str]:
    """What is wrong with an answer file; raises ParseError where it is no XML."""
    root = ET.fromstring(text)
    if root.tag != f"{NS}unattend":
        return [f"{root.tag}: no unattend of the namespace"]
    return [*wrong_components(root), *wrong_items(root)]


def wrong_components(root: ET.Element) -> Iterator[str]:
    for settings in root:
        for component in settings:
            place = (settings.get("pass", ""), component.get("name", ""))
            if place not in SETTINGS:
                yield f"{place}: no such component in this pass"
                continue
            if component.attrib != IDENTITY | {"name": place[1]}:
                yield f"{place}: {component.attrib}"
            names = {element.tag.removeprefix(NS) for element in component}
            yield from (f"{place}: no {name}" for name in names - SETTINGS[place])


def wrong_items(root: ET.Element) -> Iterator[str]:
    for element in root.iter():
        name = element.tag.removeprefix(NS)
        if (name in ITEMS) != (element.get(f"{WCM}action") == "add"):
            yield f"{name}: wcm:action {element.get(f'{WCM}action')}"
    for group in root.iter():
        orders = [
            int(item.findtext(f"{NS}Order", "0"))
            for item in group
            if item.find(f"{NS}Order") is not None
        ]
        if orders != list(range(1, len(orders) + 1)):
            yield f"{group.tag.removeprefix(NS)}: in the order {orders}"


def test_components_passes_and_settings_are_those_of_the_reference(text_of: TextOf) -> None:
    assert faults(text_of("Windows", "Autounattend.xml")) == []


def test_windows_goes_onto_the_partition_that_was_made_for_it(text_of: TextOf) -> None:
    root = ET.fromstring(text_of("Windows", "Autounattend.xml"))
    types = [element.findtext(f"{NS}Type") for element in root.iter(f"{NS}CreatePartition")]
    target = root.findtext(f".//{NS}InstallTo/{NS}PartitionID")
    assert (types, target) in [(["Primary"], "1"), (["EFI", "MSR", "Primary"], "3")]


def test_the_interface_is_found_by_its_mac(text_of: TextOf) -> None:
    root = ET.fromstring(text_of("Windows", "Autounattend.xml"))
    found = [nic.findtext(f"{NS}Identifier") for nic in root.iter(f"{NS}Interface")]
    assert found == ["00-50-56-0a-0b-0c"] * 2


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('pass="windowsPE"', 'pass="windowspe"'),
        ("Microsoft-Windows-TCPIP", "Microsoft-Windows-IP"),
        ("ComputerName>", "HostName>"),
        ('publicKeyToken="31bf3856ad364e35"', 'publicKeyToken="0"'),
        ("urn:schemas-microsoft-com:unattend", "urn:unattend"),
        ('<Disk wcm:action="add">', "<Disk>"),
        ("<Order>2</Order>", "<Order>3</Order>"),
    ],
)
def test_a_wrong_one_is_refused(text_of: TextOf, old: str, new: str) -> None:
    text = text_of("Windows", "Autounattend.xml")
    assert old in text
    assert faults(text.replace(old, new))


def test_what_is_no_xml_is_refused(text_of: TextOf) -> None:
    with pytest.raises(ET.ParseError):
        faults(text_of("Windows", "Autounattend.xml").replace("</settings>", "", 1))

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.machine.domain_xml import Placement, domain_xml
from harness.machine.qemu_args import machine_args, qemu_args
from tests.machine.specs import endpoints, iso_spec, spec

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
X = Path("/x")
PLACE = Placement("harness-1", "831b1f21-d838-4142-b8a3-f03ffa672a49", Path("/usr/bin/qemu"))


def domain(xml: str) -> ElementTree.Element:
    return ElementTree.fromstring(xml)


def words(root: ElementTree.Element) -> list[str]:
    return [row.attrib["value"] for row in root.iterfind(f"{QEMU}commandline/{QEMU}arg")]


def test_the_domain_has_the_same_qemu_arguments() -> None:
    said = words(domain(domain_xml(spec(X), endpoints(X), PLACE)))
    arguments = machine_args(spec(X), endpoints(X))
    assert said[: len(arguments)] == arguments
    assert qemu_args(spec(X), endpoints(X))[-len(arguments) :] == arguments
    assert said[len(arguments) :] == ["-uuid", "00000000-0000-0000-0000-000000000000"]


def test_how_the_process_runs_is_left_to_libvirt() -> None:
    said = words(domain(domain_xml(spec(X), endpoints(X), PLACE)))
    assert {"-S", "-accel", "-sandbox", "-name", "-display", "-nodefaults"}.isdisjoint(said)


def test_libvirt_adds_no_devices() -> None:
    devices = domain(domain_xml(spec(X), endpoints(X), PLACE)).find("devices")
    assert devices is not None
    assert [(row.tag, row.attrib) for row in devices] == [
        ("emulator", {}),
        ("controller", {"type": "usb", "model": "none"}),
        ("memballoon", {"model": "none"}),
        ("video", {}),
    ]
    model = devices.find("video/model")
    assert model is not None
    assert model.attrib == {"type": "none"}


def test_qemu_is_ours_on_a_libvirt_of_the_system_and_no_file_changes_its_owner() -> None:
    place = replace(PLACE, owner=(1000, 100), unconfined="apparmor")
    root = domain(domain_xml(spec(X), endpoints(X), place))
    dac, other = root.findall("seclabel")
    assert dac.attrib == {"type": "static", "model": "dac", "relabel": "no"}
    assert dac.findtext("label") == "+1000:+100"
    assert other.attrib == {"type": "none", "model": "apparmor"}
    assert domain(domain_xml(spec(X), endpoints(X), PLACE)).find("seclabel") is None


def test_under_tcg_all_processors_share_one_of_the_host() -> None:
    root = domain(domain_xml(spec(X), endpoints(X), replace(PLACE, processor=3)))
    assert [row.attrib for row in root.iterfind("cputune/vcpupin")] == [
        {"vcpu": "0", "cpuset": "3"},
        {"vcpu": "1", "cpuset": "3"},
    ]
    assert domain(domain_xml(spec(X), endpoints(X), PLACE)).find("cputune") is None


def test_kvm_is_the_type_of_the_domain() -> None:
    kvm = replace(spec(X), accelerator="kvm")
    assert domain(domain_xml(kvm, endpoints(X), PLACE)).attrib["type"] == "kvm"
    assert domain(domain_xml(spec(X), endpoints(X), PLACE)).attrib["type"] == "qemu"


def test_a_path_is_text_and_no_markup() -> None:
    folder = Path("/a<b>&'\",c")
    said = words(domain(domain_xml(spec(folder), endpoints(folder), PLACE)))
    assert words(domain(domain_xml(spec(folder), endpoints(folder), PLACE))) == said
    assert machine_args(spec(folder), endpoints(folder)) == said[:-2]


@pytest.mark.parametrize("make", [spec, iso_spec])
def test_the_xml_is_valid_for_libvirts_schema(tmp_path: Path, make: object) -> None:
    program = shutil.which("virt-xml-validate")
    if program is None or shutil.which("xmllint") is None:
        pytest.skip("virt-xml-validate is not installed")
    place = replace(PLACE, owner=(1000, 100), processor=0)
    machine = spec(X) if make is spec else iso_spec(X)
    file = tmp_path / "domain.xml"
    file.write_text(domain_xml(machine, endpoints(X), place))
    done = subprocess.run([program, file, "domain"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

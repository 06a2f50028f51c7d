"""The setup of cloud-init, as its own ds-identify and generator detect it."""

from __future__ import annotations

import pytest

from harness.image.os.cloud_init import read_cloud_init
from harness.image.os.system import CloudInit
from tests.image.trees import Link, tree_of

INSTALLED = {
    "/usr/bin/cloud-init": "",
    "/etc/systemd/system/multi-user.target.wants/cloud-init.service": "",
}


def read(files: dict[str, str], cmdline: str = "") -> CloudInit:
    return read_cloud_init(tree_of({**INSTALLED, **files}), cmdline)


def test_a_system_without_cloud_init() -> None:
    found = read_cloud_init(tree_of({"/etc/cloud/cloud.cfg": ""}), "")
    assert (found.installed, found.enabled, found.stand_in) == (False, False, "")


def test_cloud_init_that_no_init_starts_is_not_enabled() -> None:
    found = read_cloud_init(tree_of({"/usr/bin/cloud-init": ""}), "")
    assert (found.installed, found.enabled, found.started_by) == (True, False, "")


@pytest.mark.parametrize(
    "starter",
    [
        "/lib/systemd/system-generators/cloud-init-generator",
        "/etc/runlevels/default/cloud-init-local",
        "/etc/rc.d/cloudinit",
    ],
)
def test_each_init_system_starts_cloud_init(starter: str) -> None:
    found = read_cloud_init(tree_of({"/usr/bin/cloud-init": "", starter: ""}), "")
    assert (found.enabled, found.started_by) == (True, starter)


@pytest.mark.parametrize(
    ("text", "datasources"),
    [
        ("datasource_list: [ NoCloud, None ]\n", ("NoCloud", "None")),
        ("datasource_list: [\n  NoCloud,\n  Ec2,\n]\n", ("NoCloud", "Ec2")),
        ("datasource_list:\n  - Ec2\n  - None\nusers: []\n", ("Ec2", "None")),
        ("datasource_list: []\n", ()),
        ("# datasource_list: [ Ec2 ]\n", None),
        ("datasource:\n  Ec2: {}\n", None),
    ],
)
def test_datasource_list_is_parsed(text: str, datasources: tuple[str, ...] | None) -> None:
    assert read({"/etc/cloud/cloud.cfg": text}).datasources == datasources


def test_a_later_file_overrides_an_earlier_one() -> None:
    found = read(
        {
            "/etc/cloud/cloud.cfg": "datasource_list: [Ec2]\n",
            "/etc/cloud/cloud.cfg.d/10.cfg": "datasource_list: [Azure]\n",
            "/etc/cloud/cloud.cfg.d/90_dpkg.cfg": "datasource_list: [NoCloud]\n",
        }
    )
    assert found.datasources == ("NoCloud",)
    assert found.datasources_in == "/etc/cloud/cloud.cfg.d/90_dpkg.cfg"


def test_the_file_that_disables_cloud_init_is_named() -> None:
    assert read({}).disabled_by == ""
    path = "/etc/cloud/cloud-init.disabled"
    assert read({path: ""}).disabled_by == path
    assert read({path: ""}, "quiet cloud-init=disabled").disabled_by == "the kernel's command line"
    assert read({}, "xcloud-init=disabledx").disabled_by == ""


@pytest.mark.parametrize(
    ("text", "is_disabled"),
    [
        ("network: {config: disabled}\n", True),
        ("network:\n  config: disabled\n", True),
        ("network:\n  version: 2\n", False),
        ("# network: {config: disabled}\n", False),
    ],
)
def test_the_network_of_cloud_init_may_be_disabled_alone(text: str, is_disabled: bool) -> None:
    path = "/etc/cloud/cloud.cfg.d/99.cfg"
    assert read({path: text}).network_disabled_by == (path if is_disabled else "")


def test_a_used_instance_is_named() -> None:
    files = {"/var/lib/cloud/instance": Link("instances/i-7"), "/var/lib/cloud/instances/i-7/x": ""}
    assert read(files).used_instance == "unknown"
    assert read({**files, "/var/lib/cloud/data/instance-id": "i-7\n"}).used_instance == "i-7"
    assert read({}).used_instance == ""


def test_a_replacement_is_identified_by_its_files() -> None:
    assert read({"/usr/lib/dracut/modules.d/30ignition": ""}).stand_in == "Ignition"

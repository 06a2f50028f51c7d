"""A real Debian at the providers whose seed, bus or addressing is not the first one's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from images.build import build
from tests.program import ProgramRun

pytestmark = [pytest.mark.boot, pytest.mark.nightly]


@pytest.fixture(scope="module")
def debian() -> Path:
    return build("debian-12")


def frames(ran: ProgramRun) -> list[dict[str, Any]]:
    return [row for row in ran.evidence if (row["channel"], row["kind"]) == ("network", "frame")]


@pytest.mark.parametrize(
    ("provider", "transport", "datasource", "source"),
    [
        ("digitalocean", "virtio-blk", "DataSourceConfigDrive", "/dev/vdb"),
        ("openstack", "virtio-blk", "DataSourceConfigDrive", "/dev/sr0"),
        ("proxmox", "virtio-scsi", "DataSourceNoCloud", "/dev/sr0"),
    ],
)
def test_a_real_system_is_ready_and_reports_its_hardware(
    verify: Callable[..., ProgramRun],
    debian: Path,
    provider: str,
    transport: str,
    datasource: str,
    source: str,
) -> None:
    ran = verify(debian, "--provider", provider, "--until", "ready")
    assert ran.brief() == ("pass", "ready", None)
    assert [row["id"] for row in ran.result["findings"] if row["severity"] == "warning"] == []
    guest = ran.result["guest"]
    assert guest["root_transport"] == transport
    assert [row["driver"] for row in guest["nics"]] == ["virtio_net"]
    assert guest["cloud_init"]["status"] == "done"
    assert guest["cloud_init"]["datasource"].startswith(datasource)
    assert source in guest["cloud_init"]["datasource"]
    if provider == "proxmox":
        probed = [row["target"] for row in frames(ran) if row["what"] == "ipv6-probe"]
        assert "2001:db8:113::10" in probed
    if provider != "proxmox":
        assert "dhcp-request" in {row["what"] for row in frames(ran)}


def test_debians_cloud_kernel_reads_no_seed_from_sata(
    verify: Callable[..., ProgramRun], debian: Path
) -> None:
    ran = verify(debian, "--provider", "libvirt")
    assert "linux.seed-drive-missing" in [row["id"] for row in ran.result["findings"]]
    assert ran.brief() == ("fail", "userspace", "network.silent")
    assert "no ahci" in ran.result["findings"][-1]["statement"]

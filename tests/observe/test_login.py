"""What a guest says of itself, read; that it lets somebody in is tried with a real one at night."""

import asyncio
from pathlib import Path

import pytest

from harness.evidence import events
from harness.evidence.events import CloudInitRecord, NicRecord
from harness.evidence.log import EvidenceLog, Observation
from harness.observe.login import Login, observe_login, read_answer

SCSI = "/sys/devices/pci0000:00/0000:00:05.0/virtio1/host2/target2:0:0/2:0:0:0/block/sda/sda1"
BLOCK = "/sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda/vda1"
PORT = "/sys/devices/pci0000:00/0000:00:02.3/0000:04:00.0/virtio2/block/vda/vda1"
ANSWER = """\
root={root}
nic=ens18 00:50:56:00:00:01 /sys/bus/virtio/drivers/virtio_net
kernel=6.1.0-18-cloud-amd64
os=Debian GNU/Linux 12 (bookworm)
exit=0
status=status: done
result={{ "v1": {{ "datasource": "DataSourceNoCloud [seed=/dev/sr0]", "errors": [] }}}}
"""


@pytest.mark.parametrize(
    ("root", "transport", "device"),
    [
        (SCSI, "virtio-scsi", "sda1"),
        (BLOCK, "virtio-blk", "vda1"),
        (PORT, "virtio-blk", "vda1"),
        ("/sys/devices/pci0000:00/0000:00:01.1/ata1/host0/block/sda/sda1", "ata", "sda1"),
        ("/sys/devices/virtual/block/dm-0", "", ""),
        ("", "", ""),
    ],
)
def test_the_transport_of_the_root_disk(root: str, transport: str, device: str) -> None:
    said = read_answer(ANSWER.format(root=root))
    assert (said.root_transport, said.root_device) == (transport, device)


def test_the_other_answers_of_the_guest_are_read() -> None:
    said = read_answer(ANSWER.format(root=SCSI))
    assert said.nics == (NicRecord("ens18", "00:50:56:00:00:01", "virtio_net"),)
    assert (said.kernel, said.os) == (
        "6.1.0-18-cloud-amd64",
        "Debian GNU/Linux 12 (bookworm)",
    )
    assert said.cloud_init == CloudInitRecord("0", "done", "DataSourceNoCloud [seed=/dev/sr0]", ())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nic=",
        "no sign\n=\n",
        "result={",
        'result={"v1": []}',
        "result=[]",
        'result={"v1": {"datasource": {}, "errors": 7}}',
        "nic=a\n" * 1000 + "os=" + "x" * 100_000,
    ],
)
def test_a_hostile_answer_is_bounded_and_harmless(text: str) -> None:
    said = read_answer(text)
    assert len(str(said)) < 4000
    assert len(said.nics) <= 8


def test_a_login_times_out_after_the_end_of_cloud_init(tmp_path: Path) -> None:
    seen = asyncio.run(_watched(tmp_path))
    assert [(row.event.channel, row.event.kind) for row in seen][-1] == ("ssh", "failed")
    assert "let nobody in" in seen[-1].event.reason


async def _watched(tmp_path: Path) -> list[Observation]:
    seen: list[Observation] = []
    proved = asyncio.Event()
    with EvidenceLog(tmp_path / "log") as log:
        log.subscribe(seen.append)
        # Nobody listens there (RFC 863's port, on loopback).
        watch = observe_login(
            log, Login(tmp_path / "key", "/n/ready", 0.01), ("127.0.0.1", 9), proved
        )
        task = asyncio.create_task(watch)
        proved.set()
        await asyncio.sleep(0.1)
        assert not task.done()
        log.record(events.Call(path="/n/ready", fields={}))
        await asyncio.wait_for(task, 30)
    return seen

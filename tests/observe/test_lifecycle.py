"""The last sample of a boot is recorded before its end is, and each change only once."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest
from qemu.qmp import EventListener, QMPClient

from harness.errors import QemuError
from harness.evidence.log import EvidenceLog, Observation
from harness.machine.machine import Machine, MachineDefinition, ProcessEnd
from harness.machine.spec import Endpoints
from harness.observe.lifecycle import Lifecycle
from harness.observe.network import FrameObserver
from harness.observe.sampler import Sampler

PCAP_HEADER = b"\xd4\xc3\xb2\xa1" + bytes(20)
ARP_REPLY = bytes.fromhex("ffffffffffff 525400000001 0806 0001080006040002") + bytes(20)
POWER_OFF = {"event": "SHUTDOWN", "data": {"guest": True, "reason": "guest-shutdown"}}
RESET = {"event": "RESET", "data": {"guest": True, "reason": "guest-reset"}}


@dataclass(frozen=True, slots=True)
class Guest(Machine):
    """A machine whose counts the test sets; ``gone`` ones answer nothing."""

    stats: dict[str, int] = field(default_factory=dict)
    left_bytes: int = 0
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def command(self, name: str, **_: Any) -> Any:
        await asyncio.sleep(0)
        if self.gone.is_set():
            raise QemuError(f"QEMU did not answer {name}.")
        if name == "human-monitor-command":
            return ""
        assert name == "query-blockstats"
        return [{"node-name": "disk", "stats": dict(self.stats)}]

    async def power_on(self) -> None:
        raise NotImplementedError

    @property
    def has_ended(self) -> bool:
        return self.gone.is_set()

    async def ended(self) -> ProcessEnd:
        await self.gone.wait()
        return ProcessEnd(None, ())

    def allocated_bytes(self) -> int:
        return self.left_bytes

    async def cpu_s(self) -> float:
        return 0.0


def told(
    folder: Path,
    events: Iterable[dict[str, Any]],
    before: Callable[[Guest], None],
    left_bytes: int = 0,
) -> list[Observation]:
    """What is recorded of ``events``, right before which ``before`` happens in the machine."""
    capture = folder / "network.pcap"
    capture.write_bytes(PCAP_HEADER)
    endpoints = Endpoints(*(folder / name for name in ("q", "s", "f", "r")), capture, folder / "e")
    rows: list[Observation] = []

    async def run() -> None:
        machine = Guest(
            QMPClient(),
            endpoints,
            MachineDefinition("", ""),
            stats={"rd_bytes": 0, "wr_bytes": 0},
            left_bytes=left_bytes,
        )

        async def listener() -> AsyncIterator[dict[str, Any]]:
            for event in events:
                before(machine)
                yield event

        with EvidenceLog(folder / "evidence.jsonl") as log:
            log.subscribe(rows.append)
            frames = FrameObserver(log, capture)
            lifecycle = Lifecycle(log, machine, Sampler(log, machine, frames))
            process = asyncio.create_task(lifecycle.follow_process())
            await lifecycle.follow_events(cast(EventListener, listener()))
            if machine.has_ended:
                await process
            process.cancel()
            frames.close()

    asyncio.run(run())
    return rows


def brief(rows: Iterable[Observation]) -> list[str]:
    return [f"{row.event.channel} {getattr(row.event, 'name', row.event.kind)}" for row in rows]


@pytest.mark.parametrize("event", [POWER_OFF, RESET])
def test_what_the_guest_did_last_is_recorded_before_its_end(
    tmp_path: Path, event: dict[str, Any]
) -> None:
    def work(machine: Guest) -> None:
        machine.stats.update(rd_bytes=512, wr_bytes=49 << 20)
        record = struct.pack("<IIII", 0, 0, len(ARP_REPLY), len(ARP_REPLY))
        with machine.endpoints.capture_file.open("ab") as file:
            file.write(record + ARP_REPLY)

    rows = told(tmp_path, [event], work)
    assert brief(rows) == [
        "network frame",
        "network frames",
        "disk reads",
        "disk writes",
        f"qmp {event['event']}",
    ]
    assert rows[3].event.written_bytes == 49 << 20


def test_nothing_is_recorded_twice(tmp_path: Path) -> None:
    rows = told(tmp_path, [RESET, RESET], lambda machine: machine.stats.update(rd_bytes=512))
    assert brief(rows) == ["disk reads", "qmp RESET", "qmp RESET"]


def test_what_is_no_end_of_a_boot_is_recorded_at_once(tmp_path: Path) -> None:
    events = [{"event": "STOP"}, {"event": "RESET", "data": {"guest": False}}]
    rows = told(tmp_path, events, lambda machine: machine.stats.update(rd_bytes=512))
    assert brief(rows) == ["qmp STOP", "qmp RESET"]


def test_a_qemu_that_is_ended_with_its_guest_leaves_what_was_written(tmp_path: Path) -> None:
    rows = told(tmp_path, [POWER_OFF], lambda machine: machine.gone.set(), left_bytes=49 << 20)
    assert brief(rows) == ["disk writes", "qmp SHUTDOWN", "host qemu-ended"]
    assert rows[0].event.written_bytes == 49 << 20

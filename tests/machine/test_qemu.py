"""The monitor of a QEMU that behaves badly: a fake one, over a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from qemu.qmp import QMPClient

from harness.errors import HostError
from harness.machine.machine import MachineDefinition
from harness.machine.qemu import ProcessMachine
from harness.machine.start_fault import start_fault
from tests.machine.specs import endpoints

GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}}, "capabilities": []}}

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def ask_a_fake(folder: Path, answer: Answer) -> object:
    """What Machine.command makes of a monitor that greets and then does ``answer``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(json.dumps(GREETING).encode() + b"\r\n")
        await reader.read(4096)
        writer.write(b'{"return": {}}\r\n')
        await reader.read(4096)
        await answer(reader, writer)
        writer.close()

    path = folder / "qmp.sock"
    async with await asyncio.start_unix_server(serve, path):
        qmp = QMPClient("test")
        await qmp.connect(str(path))
        process = await asyncio.create_subprocess_exec("true")
        machine = ProcessMachine(
            qmp, endpoints(folder), MachineDefinition("", ""), process, answer_timeout_s=0.2
        )
        try:
            return await machine.command("query-status")
        finally:
            await process.wait()
            # The fake ends as it likes, and the client tells of that here.
            with contextlib.suppress(Exception):
                await qmp.disconnect()


async def hang_up(_: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
    return


async def say_nothing(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\x00\xff not json\r\n")
    await reader.read()


async def break_off(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b'{"return": {"stat')


@pytest.mark.parametrize("answer", [hang_up, say_nothing, talk_nonsense, break_off])
def test_a_monitor_that_does_not_answer_is_the_hosts_fault(tmp_path: Path, answer: Answer) -> None:
    with pytest.raises(HostError, match="QEMU did not answer query-status") as caught:
        asyncio.run(ask_a_fake(tmp_path, answer))
    assert caught.value.finding_id == "host.qemu-crashed"


def test_a_qemu_that_a_limit_ends_before_it_has_a_monitor() -> None:
    status = -int(signal.SIGXFSZ)
    assert start_fault("", f"exit status {status}", status).finding_id == "host.no-space"

"""What may be asked of a machine that is up: the fake QEMU's, over real sockets."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harness.errors import HostError, QemuError
from harness.machine.backend import Backend
from harness.machine.launch import launch
from harness.machine.machine import Machine, last_words
from tests.machine.fake_programs import write_fake_qemu
from tests.machine.inventory import listening
from tests.machine.specs import endpoints, spec

T = TypeVar("T")
Ask = Callable[..., Any]


@pytest.fixture
def ask(tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Start the machine of a scenario, and return the answer to a question about it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def run(question: Callable[[Machine], Awaitable[T]], **scenario: Any) -> T:
        write_fake_qemu(tmp_path, **scenario)

        async def answer() -> T:
            places = endpoints(scratch)
            backend = Backend(answer_timeout_s=30)
            async with listening(places), launch(backend, spec(scratch), places) as machine:
                return await question(machine)

        return asyncio.run(answer())

    return run


def test_the_forward_to_the_guest_is_the_one_that_qemu_chose(ask: Ask) -> None:
    host, port = ask(lambda machine: machine.knock_address())
    assert host == "127.0.0.1"
    assert 1024 <= port < 65536


def test_a_dump_is_read_and_its_file_removed(ask: Ask, scratch: Path) -> None:
    async def dumps(machine: Machine) -> tuple[bytes, bytes]:
        picture = await machine.dump("screendump")
        return picture, await machine.dump("pmemsave", val=0xB8000, size=4000)

    picture, memory = ask(dumps)
    assert picture.startswith(b"P6\n640 480\n")
    assert memory == bytes(4000)
    assert list(scratch.glob("dump-*")) == []


async def die(machine: Machine) -> None:
    """Switch on a machine whose guest kills QEMU: that may be before QEMU answers."""
    with suppress(QemuError):
        await machine.power_on()


def test_the_end_of_qemu_has_its_status_and_its_last_words(ask: Ask) -> None:
    async def end(machine: Machine) -> Any:
        assert not machine.has_ended
        await die(machine)
        return await machine.ended(), machine.has_ended, await machine.cpu_s()

    ended, has_ended, cpu_s = ask(end, guest=[["die", "one\ntwo", 3]])
    assert (ended.status, ended.words, has_ended, cpu_s) == (3, ("one", "two"), True, 0.0)


def test_a_lost_qemu_is_a_fault_of_the_host(ask: Ask) -> None:
    async def after_the_end(machine: Machine) -> None:
        await die(machine)
        await machine.ended()
        await machine.monitor("info registers")

    with pytest.raises(HostError, match="did not answer human-monitor-command"):
        ask(after_the_end, guest=[["die", "", 1]])


def test_the_definition_of_the_machine_is_kept(ask: Ask) -> None:
    async def origin(machine: Machine) -> str:
        return machine.origin.text

    assert "-netdev user,id=net" in ask(origin)


def test_only_the_last_lines_of_qemus_output_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "qemu.stderr"
    assert last_words(log) == ()
    log.write_bytes("\n".join(map(str, range(9))).encode() + b"\n\xff\n")
    assert last_words(log) == ("5", "6", "7", "8", "\N{REPLACEMENT CHARACTER}")

"""The devices of a machine that is started and never runs, asked of QEMU itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from harness.examine.image_report import examine
from harness.machine.acceleration import Acceleration
from harness.machine.backend import Backend
from harness.machine.launch import launch
from harness.machine.spec import Endpoints
from harness.provider.profile import load_profile
from harness.seed.forms import deliver_seed
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import new_seed
from harness.trial.boot import endpoints_in, machine_spec
from harness.trial.request import Case


@asynccontextmanager
async def listening(places: Endpoints) -> AsyncIterator[None]:
    """Somebody takes what the streams of a machine say, and forgets it."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass
        writer.close()

    async with AsyncExitStack() as stack:
        for path in (places.serial_socket, places.firmware_socket, places.receiver_socket):
            await stack.enter_async_context(await asyncio.start_unix_server(accept, path))
        yield


async def ask(folder: Path, backend: Backend, provider: str = "contabo") -> dict[str, Any]:
    """The answers of a machine around an empty disk, which is never started."""
    image = folder / "image.qcow2"
    seed = new_seed("00:50:56:12:34:56", GuestNetwork())
    profile = load_profile(provider)
    case = Case(image=examine(str(image), profile), profile=profile, run_dir=folder)
    delivery = deliver_seed(seed, profile.machine.seed_bus.value, folder)
    spec = machine_spec(case, Acceleration("tcg", "max", 1.0, ""), seed, delivery, folder, None)
    endpoints = endpoints_in(folder, folder)
    async with listening(endpoints), launch(backend, spec, endpoints) as machine:
        answers = {
            name: await machine.command(name)
            for name in ("query-status", "query-pci", "query-block", "query-chardev")
        }
        for path in ("/machine/peripheral", "/machine/peripheral-anon", "/machine/unattached"):
            answers[path] = await machine.command("qom-list", path=path)
        answers["tree"] = await machine.monitor("info qtree")
        answers["network"] = await machine.monitor("info network")
        answers["rom"] = await machine.monitor("info roms")
        answers["usb"] = await machine.monitor("info usb")
        return answers

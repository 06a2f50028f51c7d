"""The devices of a machine that is started and never runs, asked of QEMU itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from harness.examine.image_report import examine
from harness.machine.acceleration import Acceleration
from harness.machine.backend import Backend
from harness.machine.launch import launch
from harness.provider.profile import load_profile
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import new_seed, write_seed
from harness.trial.boot import endpoints_in, machine_spec
from harness.trial.case import Case


def listen(path: Path) -> Any:
    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    return asyncio.start_unix_server(accept, path)


async def ask(folder: Path, backend: Backend, provider: str = "contabo") -> dict[str, Any]:
    """The answers of a machine around an empty disk, which is never started."""
    image = folder / "image.qcow2"
    seed = new_seed("00:50:56:12:34:56", GuestNetwork())
    profile = load_profile(provider)
    case = Case(examine(str(image), profile), profile, "network", False, None, None, folder)
    spec = machine_spec(case, Acceleration("tcg", "max", 1.0, ""), seed, folder, None)
    endpoints = endpoints_in(folder, folder)
    write_seed(seed, spec.seed)
    for path in (endpoints.serial_socket, endpoints.firmware_socket, endpoints.receiver_socket):
        await listen(path)
    async with launch(backend, spec, endpoints) as machine:
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

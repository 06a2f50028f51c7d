"""The manual control of one running machine."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Awaitable, Callable
from typing import Any

from harness.console.actions import key_codes
from harness.errors import StateError, UsageError
from harness.evidence.guest_text import printable
from harness.machine.qemu_args import DISK_NODE
from harness.observe.screen import take_screenshot
from harness.observe.ssh import ssh_command
from harness.session.live import LiveSession

_ANSWER_CHARS = 2000
_QMP_NAME = re.compile(r"[a-z_][\w-]*", re.IGNORECASE)


class MachineControls:
    """The actions on the machine of a live run; each returns a sentence about its effect."""

    def __init__(self, run: LiveSession) -> None:
        self._live = run
        self._shots = self._snapshots = self._jobs = 0
        self.actions: dict[str, Callable[..., Awaitable[str]]] = {
            "screenshot": self._screenshot,
            "freeze": self._freeze,
            "continue": self._go_on,
            "reset": self._reset,
            "power-button": self._press_power_button,
            "ctrl-alt-del": lambda: self._send_key("ctrl-alt-delete"),
            "send-key": self._send_key,
            "qmp": self._qmp,
            "snapshot": self._snapshot,
            "roll-back": self._roll_back,
            "ssh-command": self._ssh_command,
            "root-password": self._root_password,
        }
        """The actions that need no other machine, by their names in the table of actions."""

    async def _ask(self, command: str, **arguments: Any) -> Any:
        return await self._live.command(command, arguments)

    async def _status(self) -> str:
        return str((await self._ask("query-status"))["status"])

    async def _screenshot(self) -> str:
        self._shots += 1
        live, name = self._live, f"screen-by-hand-{self._shots}.png"
        await take_screenshot(live.recorder.log, live.run.machine, live.folder, name)
        if not (live.folder / name).exists():
            raise StateError("QEMU could not write a screenshot.")
        return f"The screen is in {live.folder / name}."

    async def _freeze(self) -> str:
        if await self._status() == "paused":
            return "The machine is frozen already."
        await self._ask("stop")
        return "The machine is frozen."

    async def _go_on(self) -> str:
        if await self._status() == "shutdown":
            raise StateError("The guest switched the machine off: reset it to switch it on.")
        await self._ask("cont")
        return "The machine runs."

    async def _reset(self) -> str:
        """Reset the machine, and switch it on if it is off or frozen."""
        runs = await self._status() == "running"
        with self._live.run.machine.events() as listener:
            await self._ask("system_reset")
            async for event in listener:
                if event["event"] == "RESET":
                    break
        if not runs:
            await self._ask("cont")
        return "The machine starts over."

    async def _press_power_button(self) -> str:
        await self._ask("system_powerdown")
        return "The power button is pressed: what follows is the guest's decision."

    async def _send_key(self, keys: str) -> str:
        codes = key_codes(keys)
        await self._ask("send-key", keys=[{"type": "qcode", "data": code} for code in codes])
        return f"Sent {'-'.join(codes)} to the guest's keyboard."

    async def _qmp(self, text: str) -> str:
        command, arguments = read_qmp(text)
        answer = await self._ask(command, **arguments)
        text_shown = answer if isinstance(answer, str) else json.dumps(answer)
        return printable(text_shown, _ANSWER_CHARS)

    async def _snapshot(self) -> str:
        tag = f"snapshot-{self._snapshots + 1}"
        await self._job("snapshot-save", tag)
        self._snapshots += 1
        return f"Memory and disk are kept as {tag}."

    async def _roll_back(self) -> str:
        if not self._snapshots:
            raise StateError("There is no snapshot to roll back to: take one first.")
        tag = f"snapshot-{self._snapshots}"
        await self._job("snapshot-load", tag)
        return f"Memory and disk are what they were at {tag}."

    async def _job(self, command: str, tag: str) -> None:
        """Save or load a snapshot in the overlay; the image itself is read-only."""
        self._jobs += 1
        job = f"by-hand-{self._jobs}"
        places = {"vmstate": DISK_NODE, "devices": [DISK_NODE]}
        with self._live.run.machine.events() as listener:
            await self._live.command(command, {"job-id": job, "tag": tag, **places})
            async for event in listener:
                data = event.get("data", {})
                if event["event"] == "JOB_STATUS_CHANGE" and data == {
                    "id": job,
                    "status": "concluded",
                }:
                    break
        rows = [row for row in await self._ask("query-jobs") if row["id"] == job]
        await self._ask("job-dismiss", id=job)
        if fault := next((row["error"] for row in rows if row.get("error")), None):
            raise StateError(f"QEMU refuses {command}: {printable(str(fault), 200)}.")

    async def _ssh_command(self) -> str:
        network = self._live.network
        return shlex.join(ssh_command(self._live.key_file, network.host, network.port))

    async def _root_password(self) -> str:
        password = self._live.run.seed.root_password
        if not password:
            raise StateError("This machine's seed sets no password.")
        return f"root logs in with {password} once cloud-init has used the seed."


def read_qmp(text: str) -> tuple[str, dict[str, Any]]:
    """Parse ``query-status``, ``stop {}`` or QMP's own JSON into a command and its arguments.

    Raises UsageError for anything else.
    """
    sentence = (
        f"{printable(text, 60)!r}: is no QMP command: write query-status, "
        'or send-key {"keys": [...]}.'
    )
    name, _, rest = text.strip().partition(" ")
    try:
        if name.startswith("{"):
            request = json.loads(text)
            name, arguments = request["execute"], request.get("arguments", {})
        else:
            arguments = json.loads(rest) if rest.strip() else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError(sentence) from None
    if not (isinstance(name, str) and _QMP_NAME.fullmatch(name) and isinstance(arguments, dict)):
        raise UsageError(sentence)
    return name, arguments

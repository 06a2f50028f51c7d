"""The TPM of a machine: swtpm, which QEMU reaches over a socket."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from harness.errors import HostError, TpmError
from harness.host.programs import PDEATHSIG, find_program

_log = logging.getLogger(__name__)


@asynccontextmanager
async def running_tpm(scratch: Path) -> AsyncIterator[Path]:
    """Run a new TPM 2.0 until the block is left; yield its control socket.

    Its state is in ``scratch``, for this run alone. It runs under its own seccomp filter, and dies
    with this program. Raises HostError: ``host.missing-tool`` without swtpm, and
    ``host.tpm-failed`` in place of the block's own error where swtpm ended by itself.
    """
    program = find_program("swtpm")
    find_program(PDEATHSIG[0])
    state, path, complaints = scratch / "tpm", scratch / "tpm.sock", scratch / "tpm.stderr"
    state.mkdir()
    _log.info("start: %s socket --tpm2, its state in %s", program, state)
    # It gets a socket that listens already, so QEMU need not wait until it is up.
    with socket.socket(socket.AF_UNIX) as listening, complaints.open("wb") as stderr:
        listening.bind(str(path))
        listening.listen(1)
        process = await asyncio.create_subprocess_exec(
            *PDEATHSIG,
            str(program),
            "socket",
            "--tpm2",
            "--tpmstate",
            f"dir={state},mode=0600",
            "--ctrl",
            f"type=unixio,fd={listening.fileno()}",
            "--seccomp",
            "action=kill",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            pass_fds=(listening.fileno(),),
            # A Ctrl-C at the terminal must not reach swtpm.
            start_new_session=True,
        )
    try:
        yield path
    except HostError as error:
        if process.returncode is None:
            raise
        said = await asyncio.to_thread(complaints.read_text, errors="replace")
        last = (said.strip().splitlines() or [f"status {process.returncode}"])[-1]
        raise TpmError(f"swtpm ended: {last[:200].rstrip('.')}.") from error
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        _log.debug("swtpm ended with status %d", await process.wait())

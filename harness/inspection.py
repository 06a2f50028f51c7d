"""Looking inside an image, in a child process under limits.

What reads file systems is large, and part of it is C: here it meets bytes of a stranger. The child
has no more than its share of processor, memory and open files, writes no file, and dies with its
parent; what it says is validated. A file system that kills it costs a finding.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import HarnessError
from harness.image.system import DiskFacts
from harness.programs import PDEATHSIG, find_program

_CPU_S = 30
_WALL_S = 120.0
_MEMORY_BYTES = 1536 << 20
_OUTPUT_BYTES = 8 << 20
_REMOTE_BUDGET_BYTES = 512 << 20


class Inspection(BaseModel):
    """What the child found. ``disk`` is None where it came to an end too early, see ``problem``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    disk: DiskFacts | None = None
    bytes_read: int = 0
    problem: str = ""


def inspect(location: str) -> Inspection:
    """Look inside the sound qcow2 that ``location`` names, a file or a link.

    At most 30 s of processor, two minutes in all, and 1.5 GiB of memory.
    """
    try:
        command = _command(location)
    except HarnessError as error:
        return Inspection(problem=str(error))
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    with process:
        try:
            text = _read_limited(process)
        except subprocess.TimeoutExpired:
            return Inspection(problem=f"it took more than {_WALL_S:.0f} s")
        finally:
            process.kill()
    try:
        return Inspection.model_validate_json(text)
    except ValidationError:
        return Inspection(problem=_why(process.returncode))


def _command(location: str) -> list[str]:
    limits = [f"--cpu={_CPU_S}", f"--as={_MEMORY_BYTES}", "--fsize=0", "--nofile=64", "--core=0"]
    child = [sys.executable, "-m", "harness.inspection", location]
    return [*PDEATHSIG, str(find_program("prlimit")), *limits, "--", *child]


def _read_limited(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None  # noqa: S101  a pipe was asked for
    output = bytearray()
    deadline_s = time.monotonic() + _WALL_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while len(output) < _OUTPUT_BYTES:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not selector.select(left_s):
                raise subprocess.TimeoutExpired(process.args, _WALL_S)
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                process.wait(timeout=5)
                break
            output += chunk
    return bytes(output)


def _why(status: int) -> str:
    if status == -24 or status == 128 + 24:  # SIGXCPU
        return f"it took more than {_CPU_S} s of the processor"
    if status < 0:
        return f"a reader of file systems crashed (signal {-status})"
    return f"a reader of file systems ended with status {status}"


def _main(location: str) -> None:
    """The child: print what was found as JSON."""
    from contextlib import ExitStack
    from pathlib import Path

    from harness.image.disk import read_disk
    from harness.image.link import LinkError, is_url
    from harness.image.qcow2 import read_qcow2
    from harness.image.qcow2_disk import Qcow2Disk
    from harness.image.remote import RemoteFile
    from harness.image.source import ImageSource, LocalFile

    with ExitStack() as stack:
        try:
            source: ImageSource
            if is_url(location):
                source = stack.enter_context(RemoteFile(location, _WALL_S, _REMOTE_BUDGET_BYTES))
            else:
                source = stack.enter_context(LocalFile(Path(location)))
            facts = read_disk(Qcow2Disk(source, read_qcow2(source)))
            found = Inspection(disk=facts, bytes_read=source.bytes_read)
        except MemoryError:
            found = Inspection(problem="it took more memory than it may")
        except (HarnessError, LinkError) as error:
            found = Inspection(problem=str(error))
    sys.stdout.write(found.model_dump_json())


if __name__ == "__main__":
    _main(sys.argv[1])

"""The probe for a working accelerator on this host, and its speed.

``/dev/kvm`` may exist and not work: in some nested guests the firmware runs and 64-bit code crawls
or hangs. The probe runs our boot sector (``long_mode.asm``), which enters long mode and counts. Its
result is cached until the next boot of the host.
"""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from harness.errors import KvmUnusableError, QemuError
from harness.host.folders import cache_folder
from harness.host.programs import PDEATHSIG, argument_list, find_qemu, qemu_version
from harness.model.hardware import Accelerator

_log = logging.getLogger(__name__)

AcceleratorChoice = Literal["auto", "kvm", "tcg"]

TCG_CPU_MODEL = "max,la57=off"
"""All features that TCG emulates, except five-level paging, which is slow (docs/decisions)."""

# SeaBIOS refuses a disk of one sector ("could not read the boot disk").
_DISK_BYTES = 64 * 1024
_RUNNING, _LONG_MODE, _COUNTED = b"\x01", b"\x02", b"\x03"
# The count takes 0.02 s under a working KVM and some 0.2 s under TCG; an accelerator that needs
# longer than this is of no use.
_PROBE_TIMEOUT_S = 8.0
# Seconds of the count on the host where the deadlines of harness.diagnose were chosen.
_REFERENCE_COUNT_S = 0.25
_MEASURE_AGAIN = 1.3


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The result of our boot sector on one accelerator.

    ``count_s`` is the time of the measured loop, 0.0 where it did not end; ``reason`` says in a
    few words why the accelerator is not usable, "" where it is.
    """

    usable: bool
    count_s: float
    reason: str

    @property
    def slowness(self) -> float:
        """The slowness of this host: times slower than the reference host, 1 at least."""
        return max(1.0, self.count_s / _REFERENCE_COUNT_S)


@dataclass(frozen=True, slots=True)
class Acceleration:
    """The accelerator to use. ``note`` says why it is not KVM, "" where it is.

    ``qemu`` is the version of another host's QEMU, "" for the QEMU of this host.
    """

    accelerator: Accelerator
    cpu_model: str
    slowness: float
    note: str
    qemu: str = ""


def choose_acceleration(choice: AcceleratorChoice) -> Acceleration:
    """Return the accelerator for ``choice``, probed on the first call after a boot of the host.

    Raises HostError (``host.kvm-unusable``) where KVM was asked for by name and does not run
    64-bit code, and ``host.missing-tool`` where there is no QEMU.
    """
    if choice != "tcg":
        kvm = probe("kvm")
        if kvm.usable:
            return Acceleration("kvm", "host", kvm.slowness, "")
        if choice == "kvm":
            raise KvmUnusableError(
                f"--accel kvm: KVM cannot be used here: {kvm.reason}.",
                "Use --accel auto, which falls back to emulation (TCG).",
            )
        note = f"KVM is not used: {kvm.reason}"
    else:
        note = ""
    tcg = probe("tcg")
    if not tcg.usable:
        raise QemuError(f"QEMU does not run here: {tcg.reason}.")
    return Acceleration("tcg", TCG_CPU_MODEL, tcg.slowness, note)


def probe(accelerator: Accelerator) -> ProbeResult:
    """Return how ``accelerator`` runs 64-bit code, from the cache of this boot of the host.

    A slow result is measured again: the host may only have been busy.
    """
    path = _cache_path()
    key = f"{accelerator} {_host_key()}"
    known = _read_cache(path)
    if key in known and known[key].slowness < _MEASURE_AGAIN:
        return known[key]
    _log.debug("probing %s: nothing is remembered of this boot of the host", accelerator)
    result = _unusable_kvm() if accelerator == "kvm" else None
    if result is None:
        result = _run_probe(accelerator)
    _log.info("probed %s: %s", accelerator, result)
    # Only results of this boot of the host are kept.
    kept = {name: value for name, value in known.items() if name.endswith(_host_key())}
    _write_cache(path, {**kept, key: result})
    return result


def _unusable_kvm() -> ProbeResult | None:
    """Return the result where KVM need not even be tried; None otherwise."""
    device = Path("/dev/kvm")
    if not device.exists():
        return ProbeResult(usable=False, count_s=0.0, reason="there is no /dev/kvm")
    if not os.access(device, os.R_OK | os.W_OK):
        return ProbeResult(
            usable=False,
            count_s=0.0,
            reason="/dev/kvm may not be opened by this user (join the group kvm, log in again)",
        )
    return None


def _run_probe(accelerator: Accelerator) -> ProbeResult:
    """Run the boot sector once."""
    with tempfile.TemporaryDirectory(prefix="harness-probe-") as folder:
        disk = Path(folder) / "long_mode.img"
        sector = resources.files(__package__).joinpath("long_mode.bin").read_bytes()
        disk.write_bytes(sector.ljust(_DISK_BYTES, b"\0"))
        errors = Path(folder) / "stderr"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                [*PDEATHSIG, str(find_qemu()), *_probe_args(accelerator, disk)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                start_new_session=True,
            )
            try:
                return _watch(process, errors)
            finally:
                process.kill()
                process.wait()
                if process.stdout:
                    process.stdout.close()


def _probe_args(accelerator: Accelerator, disk: Path) -> list[str]:
    return argument_list(
        ("-machine", "pc,usb=off", "-no-user-config", "-nodefaults", "-display", "none"),
        ("-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max", "-m", "64M"),
        # A file writes through; a stdio chardev loses its last bytes when QEMU is ended.
        ("-chardev", "file,id=out,path=/dev/stdout"),
        ("-device", "isa-debugcon,iobase=0x402,chardev=out"),
        ("-device", "isa-debug-exit,iobase=0xf4"),
        ("-drive", f"if=ide,format=raw,readonly=off,snapshot=on,file={disk}"),
    )


def _watch(process: subprocess.Popen[bytes], errors: Path) -> ProbeResult:
    """Read the three marks; the time between the last two is the measurement."""
    assert process.stdout is not None  # noqa: S101  Popen was given a pipe
    deadline_s = time.monotonic() + _PROBE_TIMEOUT_S
    seen = b""
    long_mode_s = 0.0
    while (left_s := deadline_s - time.monotonic()) > 0:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        chunk = os.read(process.stdout.fileno(), 4096)
        if not chunk:
            said = _first_error(errors.read_text(errors="replace"), process.wait())
            return ProbeResult(usable=False, count_s=0.0, reason=f"QEMU ended: {said}")
        seen = seen[-64:] + chunk
        if _LONG_MODE in chunk:
            long_mode_s = time.monotonic()
        if _COUNTED in chunk:
            return ProbeResult(
                usable=True, count_s=round(time.monotonic() - long_mode_s, 4), reason=""
            )
    if long_mode_s:
        reason = f"64-bit code is slower than emulation (no end after {_PROBE_TIMEOUT_S:g} s)"
    elif _RUNNING in seen:
        reason = "the processor does not get into 64-bit mode"
    else:
        reason = f"not even the firmware ended in {_PROBE_TIMEOUT_S:g} s"
    return ProbeResult(usable=False, count_s=0.0, reason=reason)


def _first_error(stderr: str, status: int) -> str:
    """Return the first error in QEMU's stderr; an assertion that follows it says less."""
    lines = [line.removeprefix("qemu-system-x86_64: ") for line in stderr.strip().splitlines()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return (errors or lines or [f"exit status {status}"])[0].rstrip(".")


def _host_key() -> str:
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{qemu_version()} uid={os.geteuid()} boot={boot_id}"


def _cache_path() -> Path:
    return cache_folder() / "acceleration.json"


def _read_cache(path: Path) -> dict[str, ProbeResult]:
    """Return the cached results; none where the file is missing or is not ours."""
    try:
        return {key: ProbeResult(**row) for key, row in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _write_cache(path: Path, probes: dict[str, ProbeResult]) -> None:
    """Write the cache; where that fails, the next run only takes some seconds longer."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{os.getpid()}")
        new.write_text(json.dumps({key: asdict(value) for key, value in probes.items()}))
        new.replace(path)
    except OSError:
        return

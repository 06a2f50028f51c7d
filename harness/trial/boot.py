"""One boot of a case: its machine, switched on and observed, and the record of its events."""

from __future__ import annotations

import logging
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from harness.diagnose.change import Change
from harness.errors import FaultError, HostError, UsageError
from harness.evidence.events import ImageChange, PowerOn
from harness.host.scratch import scratch_folder
from harness.host.signals import on_signals
from harness.installer.plan import InstallationMedia
from harness.machine.acceleration import Acceleration
from harness.machine.firmware import find_uefi, uefi_flash
from harness.machine.launch import launch
from harness.machine.machine import Machine
from harness.machine.spec import Endpoints, Flash, MachineSpec
from harness.machine.tpm import running_tpm
from harness.model.hardware import SeedBus
from harness.model.stages import Stage
from harness.observe.clock import Clock, IsoUse
from harness.observe.console import ConsoleInput, observe_console
from harness.observe.login import Login
from harness.observe.receiver import observe_receiver
from harness.observe.screen import take_last_screenshot
from harness.observe.ssh import new_key
from harness.seed.delivery import SeedDelivery, SeedDrive, SeedService
from harness.seed.forms import deliver_seed
from harness.seed.guest_network import LEASED, GuestNetwork
from harness.seed.seed import Seed, new_seed
from harness.trial.loop_faults import reporting_bugs
from harness.trial.observers import observing
from harness.trial.recorder import BootStart, Recorder, opening_events
from harness.trial.request import Case
from harness.trial.result import LAST_SCREEN_FILE

_log = logging.getLogger(__name__)

# The private key in the scratch folder of a boot, if the provider puts its public key in the seed.
_KEY_FILE = "id_ed25519_of_seed"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootVariant:
    """The settings that distinguish one boot of a case from the others; most have only a MAC.

    ``name`` is the part of an installation. ``mac`` is that of the case's NIC: the same machine in
    all its boots. With ``answers_prompts``, the questions of an installer are answered; ``stop_at``
    is a stage that ends the boot without a verdict. ``authorized_key`` is the public key with which
    root may log in by SSH, ``root_password`` the password of root at a console. ``on_serial`` is
    called with the bytes of the serial line; with ``vnc`` the machine serves its screen at a
    socket.
    """

    mac: str
    name: str = ""
    change: Change | None = None
    prepared: InstallationMedia | None = None
    answers_prompts: bool = True
    stop_at: Stage | None = None
    authorized_key: str = ""
    root_password: str = ""
    on_serial: Callable[[bytes], None] | None = None
    vnc: bool = False


@dataclass(frozen=True, slots=True)
class RunningMachine:
    """A running, observed machine with the input of its serial line and its seed.

    ``scratch`` is the folder for files that it needs only while it runs.
    """

    machine: Machine
    line: ConsoleInput
    seed: Seed
    scratch: Path


async def boot_once(
    case: Case, acceleration: Acceleration, recorder: Recorder, variant: BootVariant
) -> None:
    """Boot once and record the boot up to its verdict, or to the stage ``variant.stop_at``.

    A fault of the host, or of harness, is recorded as such. SIGINT, SIGTERM and SIGHUP end the boot
    with what is known by then. All that was started or created outside the case's folder is gone at
    the end.
    """
    with ended_by_signals(recorder), suppress(FaultError):
        async with running_machine(case, acceleration, recorder, variant) as run:
            await recorder.wait_for_end(variant.stop_at)
            await take_last_screenshot(recorder.log, run.machine, case.folder, LAST_SCREEN_FILE)


@asynccontextmanager
async def running_machine(
    case: Case, acceleration: Acceleration, recorder: Recorder, variant: BootVariant
) -> AsyncIterator[RunningMachine]:
    """Yield the machine of a case, switched on and recorded until the block is left.

    A fault is recorded, and raised as FaultError. All that was started or created outside the
    case's folder is gone at the end.
    """
    addressing = case.profile.network.addressing.value
    if variant.change and variant.change.thing == "addressing":
        addressing = "dhcp"
    key = None
    if case.profile.seed.ssh_key.value and not variant.authorized_key:
        key = new_key()
        variant = replace(variant, authorized_key=key.public)
    seed = new_seed(
        variant.mac,
        LEASED if addressing == "dhcp" else GuestNetwork(),
        addressing,
        case.profile.machine.nic_name,
        form=case.profile.seed.form.value,
        authorized_key=variant.authorized_key,
        root_password=variant.root_password,
    )
    start = BootStart(
        acceleration=acceleration,
        seed=seed,
        change=variant.change.name if variant.change else "",
        part=variant.name,
        unattended=variant.prepared is not None,
        login=key is not None and case.until == "ready",
    )
    for event in opening_events(case, start):
        recorder.log.record(event)
    with (
        _faults_of_host(case, recorder),
        reporting_bugs(recorder.bug),
        scratch_folder(sockets=True) as scratch,
    ):
        if key:
            key.write(scratch / _KEY_FILE)
        async with _powered_machine(case, acceleration, seed, recorder, variant, scratch) as run:
            yield run


@contextmanager
def _faults_of_host(case: Case, recorder: Recorder) -> Iterator[None]:
    """Record the faults of this host in the block, and a change of the image."""
    before = case.image.file.stat()
    try:
        yield
    except HostError as error:
        recorder.fault(error.finding_id, str(error))
        raise
    except Exception as error:
        raise recorder.bug(error) from error
    finally:
        after = case.image.file.stat()
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (
            after.st_size,
            after.st_mtime_ns,
            after.st_ino,
        ):
            recorder.log.record(ImageChange())


@asynccontextmanager
async def _powered_machine(
    case: Case,
    acceleration: Acceleration,
    seed: Seed,
    recorder: Recorder,
    variant: BootVariant,
    scratch: Path,
) -> AsyncIterator[RunningMachine]:
    log, folder = recorder.log, case.folder
    archive = case.installation.archive if case.installation and variant.prepared else None
    endpoints = endpoints_in(scratch, folder)
    if variant.vnc:
        endpoints = replace(endpoints, vnc_socket=scratch / "vnc.sock")
    bus = case.profile.machine.seed_bus.value
    delivery = deliver_seed(seed, bus, scratch)
    spec = machine_spec(case, acceleration, seed, delivery, scratch, _flash(case, scratch))
    spec = _for_installation(_with_change(spec, variant.change), variant.prepared, bus)
    served = spec.seed.bodies if isinstance(spec.seed, SeedService) else {}
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(
            observe_console(
                log, "serial", endpoints.serial_socket, folder / "serial.log", variant.on_serial
            )
        )
        await stack.enter_async_context(
            observe_console(log, "firmware", endpoints.firmware_socket, folder / "firmware.log")
        )
        await stack.enter_async_context(
            observe_receiver(log, endpoints.receiver_socket, archive, served)
        )
        if case.profile.machine.tpm.value:
            spec = replace(spec, tpm=await stack.enter_async_context(running_tpm(scratch)))
        machine = await stack.enter_async_context(launch(case.backend, spec, endpoints))
        (folder / machine.origin.file_name).write_text(machine.origin.text, encoding="utf-8")
        clock = Clock(
            log,
            acceleration.slowness,
            case.silence_s,
            case.timeout_s,
            iso=_iso_purpose(case, variant),
        )
        key_file = scratch / _KEY_FILE
        login = None
        if key_file.exists() and case.until == "ready":
            login = Login(key_file, seed.ready_path, acceleration.slowness)
        observers = observing(
            machine,
            line,
            case,
            recorder,
            clock,
            login,
            answers_prompts=variant.answers_prompts,
        )
        await stack.enter_async_context(observers)
        _log.info("power on: until %s at %s", case.until, case.profile.name)
        log.power_on()
        log.record(PowerOn())
        await machine.power_on()
        yield RunningMachine(machine, line, seed, scratch)


def _iso_purpose(case: Case, variant: BootVariant) -> IsoUse | None:
    """Return the purpose of the case's ISO; None for a disk image."""
    if case.image.iso is None or case.image.medium == "disk":
        return None
    if variant.prepared:
        return "installing"
    return "installer" if case.image.iso.systems else "tool"


def _with_change(spec: MachineSpec, change: Change | None) -> MachineSpec:
    """Return the machine with the one change of a second boot."""
    if change is None:
        return spec
    # A change of the firmware is in the case's profile, one of the addressing in the seed.
    return replace(
        spec,
        disk_bus=change.disk_bus or spec.disk_bus,
        nic_model=change.nic_model or spec.nic_model,
    )


def _for_installation(
    spec: MachineSpec, prepared: InstallationMedia | None, bus: SeedBus
) -> MachineSpec:
    """Return the machine of an installation: its disk is kept, its answers replace the seed."""
    if prepared is None:
        return spec
    seed = SeedDrive(prepared.answers_iso, bus) if prepared.answers_iso else spec.seed
    return replace(spec, overlay=prepared.target, direct=prepared.direct, seed=seed)


@contextmanager
def ended_by_signals(recorder: Recorder) -> Iterator[None]:
    """Record a signal while the block runs, which ends the run in order."""

    def interrupt(number: signal.Signals) -> None:
        if not recorder.decided.is_set():
            statement = f"The run was interrupted by {number.name}."
            _log.info("%s: the run is ended", number.name)
            recorder.fault("host.interrupted", statement, signal=int(number))

    with on_signals(interrupt):
        yield


def endpoints_in(scratch: Path, run_dir: Path) -> Endpoints:
    """Return the sockets of a machine in ``scratch`` and the files of QEMU in ``run_dir``."""
    return Endpoints(
        qmp_socket=scratch / "qmp.sock",
        serial_socket=scratch / "serial.sock",
        firmware_socket=scratch / "firmware.sock",
        receiver_socket=scratch / "receiver.sock",
        capture_file=run_dir / "network.pcap",
        stderr_log=run_dir / "qemu.stderr",
    )


def _flash(case: Case, scratch: Path) -> Flash | None:
    """Return the UEFI firmware of the case; None for a BIOS."""
    hardware = case.profile.machine
    if hardware.firmware.value == "bios":
        return None
    firmware = find_uefi(hardware.chipset.value, secure_boot=hardware.secure_boot.value)
    return uefi_flash(firmware, scratch)


def machine_spec(
    case: Case,
    acceleration: Acceleration,
    seed: Seed,
    delivery: SeedDelivery,
    scratch: Path,
    flash: Flash | None,
) -> MachineSpec:
    """Return the provider's machine for the image of this case, a disk image or an ISO."""
    hardware = case.profile.machine
    file = case.image.file.resolve()
    is_iso = case.image.medium == "iso"
    size_bytes = hardware.target_size_bytes.value if is_iso else case.image.virtual_size_bytes
    if size_bytes is None or case.image.format not in ("qcow2", "iso"):
        raise UsageError(f"{case.image.file}: only a qcow2 or a disc can be booted.")
    return MachineSpec(
        chipset=hardware.chipset.value,
        cpus=hardware.cpus.value,
        memory_mib=hardware.memory_mib.value,
        accelerator=acceleration.accelerator,
        cpu_model=acceleration.cpu_model,
        image=None if is_iso else file,
        iso=file if is_iso else None,
        image_format="qcow2",
        disk_size_bytes=size_bytes,
        overlay=scratch / "overlay.qcow2",
        seed=delivery,
        mac=seed.mac,
        disk_address=hardware.disk_address.value,
        nic_address=hardware.nic_address.value,
        balloon_address=hardware.balloon_address.value,
        network=seed.network,
        disk_bus=hardware.disk_bus.value,
        firmware=flash,
    )

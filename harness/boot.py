"""One boot of a case: its machine, all that watch it, and the record of what they see."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.case import Case, Recorder, start_rows
from harness.diagnose.counterfactual import Change
from harness.diagnose.stages import Stage
from harness.errors import HostError, UsageError
from harness.evidence import EvidenceLog
from harness.guest_network import LEASED, GuestNetwork
from harness.image.digest import sha256_of
from harness.installation import Prepared
from harness.machine.acceleration import Acceleration
from harness.machine.firmware import find_uefi, uefi_flash
from harness.machine.launch import launch
from harness.machine.machine import Machine
from harness.machine.scratch import scratch_folder
from harness.machine.spec import Endpoints, Flash, MachineSpec
from harness.machine.tpm import running_tpm
from harness.observe.clock import Clock, Disc
from harness.observe.console import ConsoleInput, observe_console
from harness.observe.lifecycle import follow_events, follow_process
from harness.observe.login import observe_login
from harness.observe.network import FrameObserver, follow_capture, knock
from harness.observe.receiver import observe_receiver
from harness.observe.sampler import sample
from harness.observe.screen import read_screens, take_screenshot
from harness.observe.ssh import new_key
from harness.result import LAST_SCREEN_FILE
from harness.seed import Seed, new_seed, write_seed

# How long the process of a QEMU that no longer answers may take to end.
_LAST_WORDS_S = 5.0
# In the scratch folder of a boot, where the provider puts a key into the seed.
_KEY_FILE = "id_ed25519_of_seed"


@dataclass(frozen=True, slots=True)
class Part:
    """What is special about one of the boots that a case takes; nothing, in the case of most.

    ``name`` says which part of an installation it is. ``mac`` is that of the case's NIC: one
    machine in all its boots. With ``answers_prompts``, what an installer asks is answered;
    ``stop_at`` is a stage that ends the boot without a verdict. ``authorized_key`` is a public key
    for which the seed lets root in, ``root_password`` what root logs in with at a console.
    ``on_serial`` hears what the serial line says; with ``vnc`` the machine has a socket at which
    its screen is served.
    """

    mac: str
    name: str = ""
    change: Change | None = None
    prepared: Prepared | None = None
    answers_prompts: bool = True
    stop_at: Stage | None = None
    authorized_key: str = ""
    root_password: str = ""
    on_serial: Callable[[bytes], None] | None = None
    vnc: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """A machine that runs and is watched: the way to type on its line, what its seed says.

    ``scratch`` is for files that it needs only while it runs.
    """

    machine: Machine
    line: ConsoleInput
    seed: Seed
    scratch: Path


async def boot_once(case: Case, acceleration: Acceleration, recorder: Recorder, part: Part) -> None:
    """One boot, recorded from its start to its verdict, or to where the part ends.

    A fault of the host is recorded as such. SIGINT and SIGTERM end the boot with what is known by
    then. Whatever was started or made outside the case's folder is gone at the end.
    """
    with ended_by_signals(recorder), suppress(HostError):
        async with running(case, acceleration, recorder, part) as run:
            await recorder.over(part.stop_at)
            if not run.machine.has_ended:
                with suppress(HostError):
                    await take_screenshot(recorder.log, run.machine, case.folder, LAST_SCREEN_FILE)


@asynccontextmanager
async def running(
    case: Case, acceleration: Acceleration, recorder: Recorder, part: Part
) -> AsyncIterator[Running]:
    """The machine of a case, switched on and recorded until the block is left.

    A fault of the host is recorded, and raised as HostError. Whatever was started or made outside
    the case's folder is gone at the end.
    """
    addressing = case.profile.network.addressing.value
    if part.change and part.change.thing == "addressing":
        addressing = "dhcp"
    key = None
    if case.profile.seed.ssh_key.value and not part.authorized_key:
        key = new_key()
        part = replace(part, authorized_key=key.public)
    seed = new_seed(
        part.mac,
        LEASED if addressing == "dhcp" else GuestNetwork(),
        addressing,
        case.profile.machine.nic_name,
        form=case.profile.seed.form.value,
        authorized_key=part.authorized_key,
        root_password=part.root_password,
    )
    change = part.change.name if part.change else ""
    rows = start_rows(
        case,
        acceleration,
        seed,
        change,
        part.name,
        unattended=part.prepared is not None,
        login=key is not None and case.until == "ready",
    )
    for channel, kind, data in rows:
        recorder.log.record(channel, kind, **data)
    with _faults_of_host(case, recorder), scratch_folder(sockets=True) as scratch:
        if key:
            key.write(scratch / _KEY_FILE)
        async with _switched_on(case, acceleration, seed, recorder, part, scratch) as run:
            yield run


@contextmanager
def _faults_of_host(case: Case, recorder: Recorder) -> Iterator[None]:
    """Record what this host does wrong in the block: its faults, and an image that it changed."""
    before = case.image.file.stat()
    try:
        yield
    except HostError as error:
        recorder.fault(error.finding_id, str(error))
        raise
    finally:
        after = case.image.file.stat()
        if (before.st_size, before.st_mtime_ns, before.st_ino) != (
            after.st_size,
            after.st_mtime_ns,
            after.st_ino,
        ):
            recorder.log.record("host", "image-changed")


@asynccontextmanager
async def _switched_on(
    case: Case,
    acceleration: Acceleration,
    seed: Seed,
    recorder: Recorder,
    part: Part,
    scratch: Path,
) -> AsyncIterator[Running]:
    log, folder = recorder.log, case.folder
    archive = case.installation.archive if case.installation and part.prepared else None
    endpoints = endpoints_in(scratch, folder)
    if part.vnc:
        endpoints = replace(endpoints, vnc_socket=scratch / "vnc.sock")
    spec = machine_spec(case, acceleration, seed, scratch, _flash(case, scratch))
    spec = _installing(_changed(spec, part.change), part.prepared)
    write_seed(seed, scratch / "seed.iso")
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(
            observe_console(
                *(log, "serial", endpoints.serial_socket, folder / "serial.log"), part.on_serial
            )
        )
        await stack.enter_async_context(
            observe_console(log, "firmware", endpoints.firmware_socket, folder / "firmware.log")
        )
        await stack.enter_async_context(observe_receiver(log, endpoints.receiver_socket, archive))
        if case.profile.machine.tpm.value:
            spec = replace(spec, tpm=await stack.enter_async_context(running_tpm(scratch)))
        machine = await stack.enter_async_context(launch(case.backend, spec, endpoints))
        (folder / machine.origin.file_name).write_text(machine.origin.text, encoding="utf-8")
        clock = Clock(
            *(log, acceleration.slowness, case.silence_s, case.timeout_s),
            disc=_disc_of(case, part),
        )
        await stack.enter_async_context(_watching(machine, line, case, recorder, clock, part))
        key_file = scratch / _KEY_FILE
        if key_file.exists() and case.until == "ready":
            login = observe_login(
                *(log, key_file, await machine.knock_address(), recorder.network_proved),
                *(seed.ready_path, acceleration.slowness),
            )
            await stack.enter_async_context(_duty(recorder, "login", login))
        log.power_on()
        log.record("machine", "power-on")
        await machine.power_on()
        yield Running(machine, line, seed, scratch)


def _disc_of(case: Case, part: Part) -> Disc | None:
    """What the disc of the case is tried for; None for a disk."""
    if case.image.disc is None or case.image.medium == "disk":
        return None
    if part.prepared:
        return "installing"
    return "installer" if case.image.disc.systems else "tool"


async def _type(recorder: Recorder, machine: Machine, line: ConsoleInput) -> None:
    """Type what the questions of an installer are answered with, and record that."""
    while True:
        answer = await recorder.answers.get()
        prompt = answer.prompt
        typed = list(prompt.keys) if answer.place == "screen" else prompt.serial
        recorder.log.record("machine", "key", prompt=prompt.id, place=answer.place, typed=typed)
        if answer.place == "serial":
            line.type(prompt.serial)
            continue
        for key in prompt.keys:
            await machine.command("send-key", keys=[{"type": "qcode", "data": key}])


def _changed(spec: MachineSpec, change: Change | None) -> MachineSpec:
    """The machine with the one thing changed that a second boot asks about."""
    if change is None:
        return spec
    # Another firmware is in the case's profile, another addressing in the seed.
    return replace(
        spec,
        disk_bus=change.disk_bus or spec.disk_bus,
        nic_model=change.nic_model or spec.nic_model,
    )


def _installing(spec: MachineSpec, prepared: Prepared | None) -> MachineSpec:
    """The machine of an installation: its disk is kept, its answers are where the seed is."""
    if prepared is None:
        return spec
    return replace(
        spec,
        overlay=prepared.target,
        direct=prepared.direct,
        seed=prepared.answers_disc or spec.seed,
    )


@asynccontextmanager
async def _watching(
    machine: Machine,
    line: ConsoleInput,
    case: Case,
    recorder: Recorder,
    clock: Clock,
    part: Part,
) -> AsyncIterator[None]:
    """All observers of a machine that is up and stopped, at work until the block is left.

    An observer that fails is a fault of the host: it is recorded, and ends the run.
    """
    log = recorder.log
    frames = FrameObserver(log, machine.endpoints.capture_file)
    with machine.events() as listener:
        host, port = await machine.knock_address()
        duties = {
            "events": follow_events(log, listener),
            "process": follow_process(log, machine),
            "capture": _capture(frames, machine),
            "knock": knock(log, host, port, recorder.network_proved),
            "samples": sample(log, machine, lambda: frames.guest_frames),
            "screen": _shoot_stages(recorder, machine, case.folder),
            "screen-text": read_screens(log, machine),
            "clock": clock.run(),
            "digest": _digest(log, case.image.file),
        }
        if part.answers_prompts:
            duties["keys"] = _type(recorder, machine, line)
        tasks = [
            asyncio.create_task(_outlived(duty, recorder) if name != "process" else duty, name=name)
            for name, duty in duties.items()
        ]
        for task in tasks:
            task.add_done_callback(_report_to(recorder))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            frames.close()


async def _outlived(work: Coroutine[Any, Any, None], recorder: Recorder) -> None:
    """The same; where QEMU is gone under it, what QEMU's own end says is recorded first."""
    try:
        await work
    except HostError as error:
        if error.finding_id == "host.qemu-crashed":
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await recorder.decided.wait()
        raise


@asynccontextmanager
async def _duty(
    recorder: Recorder, name: str, work: Coroutine[Any, Any, None]
) -> AsyncIterator[None]:
    """One more observer, at work until the block is left."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_report_to(recorder))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _report_to(recorder: Recorder) -> Callable[[asyncio.Task[None]], None]:
    """What to do when an observer ends: nothing, unless it failed."""

    def report(task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, HostError):
            recorder.fault(error.finding_id, str(error))
        else:
            what = f"The observer {task.get_name()!r} failed: {type(error).__name__}: {error}"
            recorder.fault("host.qemu-crashed", what)

    return report


async def _capture(frames: FrameObserver, machine: Machine) -> None:
    """Follow the capture; take the recorder off the NIC once the file is full."""
    await follow_capture(frames, machine.endpoints.capture_file)
    await machine.command("object-del", id="capture")


async def _shoot_stages(recorder: Recorder, machine: Machine, folder: Path) -> None:
    """A screenshot at each stage change."""
    while True:
        await recorder.stage_changed.wait()
        recorder.stage_changed.clear()
        stage = recorder.diagnosis.timeline.furthest
        await take_screenshot(recorder.log, machine, folder, f"screen-{stage}.png")


async def _digest(log: EvidenceLog, image: Path) -> None:
    """Read the image through while it boots; record its SHA-256."""
    stop = threading.Event()
    try:
        sha256 = await asyncio.to_thread(sha256_of, image, stop)
    finally:
        stop.set()
    log.record("image", "digest", sha256=sha256)


@contextmanager
def ended_by_signals(recorder: Recorder) -> Iterator[None]:
    """SIGINT and SIGTERM become an observation while the block runs, and end the run in order."""
    loop = asyncio.get_running_loop()

    def interrupt(number: signal.Signals) -> None:
        if not recorder.decided.is_set():
            statement = f"The run was interrupted by {number.name}."
            recorder.fault("host.interrupted", statement, signal=int(number))

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt, number)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def endpoints_in(scratch: Path, run_dir: Path) -> Endpoints:
    """The sockets of a machine in ``scratch``, and the files that QEMU writes in ``run_dir``."""
    return Endpoints(
        qmp_socket=scratch / "qmp.sock",
        serial_socket=scratch / "serial.sock",
        firmware_socket=scratch / "firmware.sock",
        receiver_socket=scratch / "receiver.sock",
        capture_file=run_dir / "network.pcap",
        stderr_log=run_dir / "qemu.stderr",
    )


def _flash(case: Case, scratch: Path) -> Flash | None:
    """The UEFI firmware of the case; None for a BIOS."""
    hardware = case.profile.machine
    if hardware.firmware.value == "bios":
        return None
    firmware = find_uefi(hardware.chipset.value, secure_boot=hardware.secure_boot.value)
    return uefi_flash(firmware, scratch)


def machine_spec(
    case: Case, acceleration: Acceleration, seed: Seed, scratch: Path, flash: Flash | None
) -> MachineSpec:
    """The provider's machine around the image of this case: with its disk, or around its disc."""
    hardware = case.profile.machine
    file = case.image.file.resolve()
    is_disc = case.image.medium == "disc"
    size_bytes = hardware.target_size_bytes.value if is_disc else case.image.virtual_size_bytes
    if size_bytes is None or case.image.format not in ("qcow2", "iso"):
        raise UsageError(f"{case.image.file}: only a qcow2 or a disc can be booted.")
    return MachineSpec(
        chipset=hardware.chipset.value,
        cpus=hardware.cpus.value,
        memory_mib=hardware.memory_mib.value,
        accelerator=acceleration.accelerator,
        cpu_model=acceleration.cpu_model,
        image=None if is_disc else file,
        disc=file if is_disc else None,
        image_format="qcow2",
        disk_size_bytes=size_bytes,
        overlay=scratch / "overlay.qcow2",
        seed=scratch / "seed.iso",
        mac=seed.mac,
        disk_address=hardware.disk_address.value,
        nic_address=hardware.nic_address.value,
        balloon_address=hardware.balloon_address.value,
        network=seed.network,
        disk_bus=hardware.disk_bus.value,
        seed_bus=hardware.seed_bus.value,
        firmware=flash,
    )

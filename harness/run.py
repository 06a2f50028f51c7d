"""One case: an image, a provider's machine, a verdict. The only place that composes the rooms."""

from __future__ import annotations

import asyncio
import hashlib
import shlex
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from harness.case import Case, Recorder, open_log, start_rows, write_result
from harness.diagnose.counterfactual import Change, what_would_settle
from harness.errors import HostError, UsageError
from harness.evidence import EvidenceLog, Subscriber
from harness.guest_network import LEASED, GuestNetwork
from harness.machine.acceleration import Acceleration
from harness.machine.firmware import find_uefi, uefi_flash
from harness.machine.qemu import Machine, launch_qemu
from harness.machine.scratch import scratch_folder
from harness.machine.spec import Endpoints, Flash, MachineSpec
from harness.observe.clock import Clock
from harness.observe.console import observe_console
from harness.observe.lifecycle import follow_events, follow_process
from harness.observe.network import FrameObserver, follow_capture, knock
from harness.observe.receiver import observe_receiver
from harness.observe.sampler import sample
from harness.observe.screen import read_screens, take_screenshot
from harness.result import LAST_SCREEN_FILE, Result
from harness.seed import Seed, new_seed, write_seed

_CHUNK_BYTES = 4 << 20


async def boot(case: Case, acceleration: Acceleration, subscriber: Subscriber) -> Result:
    """Try the case: boot the image until there is a verdict; its result, written down too.

    Where one changed thing would settle the cause of a failure, the image is booted once more with
    that, into the folder ``counterfactual`` of the run; the verdict does not wait for it. A fault
    of the host becomes a result of outcome ``error``. SIGINT and SIGTERM end the run with what is
    known by then. Whatever was started or made outside ``case.folder`` is gone at the end.
    """
    with open_log(case.folder) as log:
        recorder = Recorder(log)
        log.subscribe(subscriber)
        await _boot_once(case, acceleration, recorder, None)
        change = what_would_settle(recorder.diagnosis) if case.counterfactual else None
        if change:
            await _boot_changed(case, change, acceleration, recorder, subscriber)
        return write_result(recorder, case.folder)


async def _boot_changed(
    case: Case,
    change: Change,
    acceleration: Acceleration,
    recorder: Recorder,
    subscriber: Subscriber,
) -> None:
    """Boot a fresh overlay of the image in a machine with ``change``; record what came of it."""
    recorder.log.record("counterfactual", "start", change=change.name)
    second = replace(
        case,
        run_dir=case.folder / "counterfactual",
        until=change.until,
        # It asks whether the machine gets further, not whether the image is without fault.
        strict=False,
        profile=case.profile.with_firmware(change.firmware),
    )
    with open_log(second.folder) as log:
        inner = Recorder(log)
        log.subscribe(subscriber)
        await _boot_once(second, acceleration, inner, change)
        result = write_result(inner, second.folder)
    recorder.log.record(
        "counterfactual",
        "result",
        change=change.name,
        outcome=result.outcome,
        stage=result.stage,
        cause=result.cause,
        statement=change.verdict(result.outcome, result.stage),
    )


async def _boot_once(
    case: Case, acceleration: Acceleration, recorder: Recorder, change: Change | None
) -> None:
    """One boot, recorded from its start to its verdict."""
    log = recorder.log
    by_dhcp = change is not None and change.thing == "addressing"
    seed = new_seed(
        case.profile.machine.mac_prefix.value,
        LEASED if by_dhcp else GuestNetwork(),
        "dhcp" if by_dhcp else "static",
    )
    for channel, kind, data in start_rows(case, acceleration, seed, change.name if change else ""):
        log.record(channel, kind, **data)
    before = case.image.file.stat()
    with _signals(recorder):
        try:
            await _run_machine(case, acceleration, seed, recorder, change)
        except HostError as error:
            recorder.fault(error.finding_id, str(error))
    after = case.image.file.stat()
    if (before.st_size, before.st_mtime_ns, before.st_ino) != (
        after.st_size,
        after.st_mtime_ns,
        after.st_ino,
    ):
        log.record("host", "image-changed")


async def _run_machine(
    case: Case,
    acceleration: Acceleration,
    seed: Seed,
    recorder: Recorder,
    change: Change | None,
) -> None:
    log, folder = recorder.log, case.folder
    with scratch_folder() as scratch:
        endpoints = _endpoints(scratch, folder)
        spec = _machine_spec(case, acceleration, seed, scratch, _flash(case, scratch))
        spec = _changed(spec, change)
        write_seed(seed, spec.seed)
        async with AsyncExitStack() as stack:
            for observer in (
                observe_console(log, "serial", endpoints.serial_socket, folder / "serial.log"),
                observe_console(
                    log, "firmware", endpoints.firmware_socket, folder / "firmware.log"
                ),
                observe_receiver(log, endpoints.receiver_socket),
            ):
                await stack.enter_async_context(observer)
            machine = await stack.enter_async_context(launch_qemu(spec, endpoints))
            command = shlex.join(machine.command_line) + "\n"
            (case.folder / "qemu.command").write_text(command, encoding="utf-8")
            clock = Clock(log, acceleration.slowness, case.silence_s, case.timeout_s)
            await stack.enter_async_context(_watching(machine, case, recorder, clock))
            log.power_on()
            log.record("machine", "power-on")
            await machine.power_on()
            await recorder.decided.wait()
            if machine.process.returncode is None:
                with suppress(HostError):
                    await take_screenshot(log, machine, case.folder, LAST_SCREEN_FILE)


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


@asynccontextmanager
async def _watching(
    machine: Machine, case: Case, recorder: Recorder, clock: Clock
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
            "screen-text": read_screens(log, machine, machine.endpoints.qmp_socket.parent),
            "clock": clock.run(),
            "digest": _digest(log, case.image.file),
        }
        tasks = [asyncio.create_task(duty, name=name) for name, duty in duties.items()]
        for task in tasks:
            task.add_done_callback(_report_to(recorder))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            frames.close()


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

    def read(stop: threading.Event) -> str:
        digest = hashlib.sha256()
        with image.open("rb") as file:
            while (chunk := file.read(_CHUNK_BYTES)) and not stop.is_set():
                digest.update(chunk)
        return digest.hexdigest()

    stop = threading.Event()
    try:
        sha256 = await asyncio.to_thread(read, stop)
    finally:
        stop.set()
    log.record("image", "digest", sha256=sha256)


@contextmanager
def _signals(recorder: Recorder) -> Iterator[None]:
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


def _endpoints(scratch: Path, run_dir: Path) -> Endpoints:
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
    return uefi_flash(find_uefi(hardware.chipset.value), scratch)


def _machine_spec(
    case: Case, acceleration: Acceleration, seed: Seed, scratch: Path, flash: Flash | None
) -> MachineSpec:
    """The provider's machine around the image of this case."""
    if case.image.format != "qcow2" or case.image.virtual_size_bytes is None:
        raise UsageError(f"{case.image.file}: only a qcow2 disk image can be booted.")
    hardware = case.profile.machine
    return MachineSpec(
        chipset=hardware.chipset.value,
        cpus=hardware.cpus.value,
        memory_mib=hardware.memory_mib.value,
        accelerator=acceleration.accelerator,
        cpu_model=acceleration.cpu_model,
        image=case.image.file.resolve(),
        image_format="qcow2",
        disk_size_bytes=case.image.virtual_size_bytes,
        overlay=scratch / "overlay.qcow2",
        seed=scratch / "seed.iso",
        mac=seed.mac,
        disk_address=hardware.disk_address.value,
        nic_address=hardware.nic_address.value,
        balloon_address=hardware.balloon_address.value,
        network=seed.network,
        firmware=flash,
    )

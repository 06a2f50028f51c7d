"""The events of a run: one frozen dataclass for each, and the registry that names them.

An event is one fact that an observer saw, or one step that harness took. It holds no opinion.
``channel`` is where it was seen, ``kind`` names it on that channel; both are fixed for a class.
``docs/evidence.md`` is made from this module (:mod:`harness.evidence.reference`), so a docstring
here says what the event is, its units and its bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeVar, dataclass_transform

from pydantic import ConfigDict, PlainValidator

from harness.model.finding import Finding
from harness.model.hardware import Addressing, AnyDiskBus, Chipset, CpuMode, Firmware
from harness.model.image import InspectedPart, Medium, Prediction
from harness.model.outcome import Outcome
from harness.model.stages import Stage, Until


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is expected")  # noqa: TRY004  what pydantic catches
    return value


GuestText = Annotated[str, PlainValidator(_text)]
"""Text as the guest wrote it: it may hold control characters and lone surrogates."""

Place = Literal["serial", "screen"]
"""The console on which an installer asks a question and the answer is typed."""
Half = Literal["low", "high"]
"""A half of the x86-64 address space (Intel SDM volume 1, section 3.3.7.1)."""


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    channel: ClassVar[str] = ""
    kind: ClassVar[str] = ""
    use: ClassVar[str] = ""


EVENTS: dict[tuple[str, str], type[Event]] = {}
"""Every event class by its channel and kind, in the order of this module."""

_E = TypeVar("_E", bound=Event)


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def event(channel: str, kind: str, *, use: str = "") -> Callable[[type[_E]], type[_E]]:
    """Make a class an event: a frozen, slotted dataclass that the registry knows.

    ``use`` says what an event is for that the diagnosis does not take.
    """

    def register(cls: type[_E]) -> type[_E]:
        cls = dataclass(frozen=True, slots=True)(cls)
        cls.channel, cls.kind, cls.use = channel, kind, use
        EVENTS[channel, kind] = cls
        return cls

    return register


# The run


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """The image under test, as the result object has it.

    ``content`` names in words what is in it. ``final_url`` is where a link led in the end.
    ``bytes_read`` is what the checks read of the file, or fetched of the link.
    """

    location: str
    format: str
    file_size_bytes: int | None
    virtual_size_bytes: int | None
    content: str = ""
    final_url: str | None = None
    bytes_read: int | None = None


@dataclass(frozen=True, slots=True)
class ToolRecord:
    """The versions of harness and of QEMU, the accelerator, the backend.

    ``qemu`` and ``accel`` are None where nothing was booted.
    """

    version: str
    qemu: str | None
    accel: str | None
    backend: str


@dataclass(frozen=True, slots=True)
class SeedRecord:
    """The data that the guest was given.

    ``phone_home_path`` and ``ready_path`` are the paths of the calls that cloud-init is asked for;
    they hold the nonce of the run. ``address_v6`` is empty where the seed has none. With ``login``
    harness logs in with the key of the seed.
    """

    address: str = ""
    addressing: Addressing | Literal[""] = ""
    address_v6: str = ""
    mac: str = ""
    phone_home_path: str = ""
    ready_path: str = ""
    login: bool = False


@event("run", "start")
class RunStart(Event):
    """The start of a boot, or of a run without one: all that the diagnosis must know of it.

    ``change`` names the one thing that differs from the provider's machine, ``part`` the part of an
    installation; both are empty for a first boot. ``known`` holds signs that inspection knows,
    ``tags`` the distribution and tools that remedies are worded for, ``drivers`` where inspection
    found each driver. ``check_s`` is what the checks took, in seconds. With ``whole_log`` the text
    is a finished log, which is read to its end before a verdict.
    """

    provider: str
    image: ImageRecord
    prediction: Prediction
    inside: tuple[InspectedPart, ...]
    check_s: float
    tool: ToolRecord
    seed: SeedRecord
    until: Until
    strict: bool
    firmware: Firmware
    chipset: Chipset
    disk_bus: AnyDiskBus
    medium: Medium
    secure_boot: bool = False
    tpm: bool = False
    change: str = ""
    part: str = ""
    known: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    drivers: Mapping[str, str] = field(default_factory=dict)
    whole_log: bool = False


@event("run", "rules")
class OwnRules(Event):
    """A table of the user's own rules: its TOML text, and where it was read."""

    location: str
    text: str


@event("run", "checked")
class ChecksEnd(Event):
    """The end of a run without a boot: the findings of the checks alone decide."""


@event("run", "same-boot", use="a run folder says which boot it repeats")
class SameBoot(Event):
    """The boot that follows was recorded for another provider, whose machine is the same."""

    provider: str
    folder: str


@event("check", "finding")
class CheckFinding(Event):
    """A finding of the checks or of inspection."""

    finding: Finding


@event("console", "end")
class LogEnd(Event):
    """The end of a console log that came as a file."""


@event("image", "digest")
class ImageDigest(Event):
    """The SHA-256 of the image, in hexadecimal."""

    sha256: str


# The consoles


@dataclass(frozen=True, slots=True)
class ConsoleText(Event):
    """A line, or an unfinished line that looks like a prompt.

    ``text`` has at most 2048 bytes, without escape sequences; ``offset`` is its first byte in the
    stream. A prompt that goes on comes again as a part of its line, with the same offset.
    """

    text: GuestText
    offset: int


@event("serial", "line")
class SerialLine(ConsoleText):
    """A line of the serial console.

    ``text`` has at most 2048 bytes, without escape sequences; ``offset`` is its first byte in the
    stream.
    """


@event("serial", "prompt")
class SerialPrompt(ConsoleText):
    """An unfinished line of the serial console that looks like a prompt.

    It comes again as a part of its line, with the same ``offset``, where the line goes on.
    """


@event("firmware", "line")
class FirmwareLine(ConsoleText):
    """A line of the firmware's log (SeaBIOS and OVMF on the debug port 0x402)."""


@event("firmware", "prompt", use="the console shows it; a line follows that counts")
class FirmwarePrompt(ConsoleText):
    """An unfinished line of the firmware's log."""


@dataclass(frozen=True, slots=True)
class ConsoleFull(Event):
    """A console that said more than is kept; what follows is not recorded."""

    max_bytes: int


@event("serial", "full", use="says why a log ends")
class SerialFull(ConsoleFull):
    """The serial console said more than ``max_bytes``; what follows is not recorded."""


@event("firmware", "full", use="says why a log ends")
class FirmwareFull(ConsoleFull):
    """The firmware's log holds more than ``max_bytes``; what follows is not recorded."""


# The screen


@event("screen", "text")
class ScreenText(Event):
    """The text on the screen, from top to bottom; each text is recorded once, 300 at most.

    ``how`` names what read it: ``vga-text``, ``glyphs`` or ``ocr``. ``share`` is the part of the
    screen's cells that was recognised (0 to 1), ``background`` its colour as ``#rrggbb``.
    """

    lines: tuple[GuestText, ...]
    background: str
    how: str
    share: float = 1.0


@event("screen", "shot", use="reports and the console show the picture")
class Screenshot(Event):
    """A screenshot: the name of its PNG file in the run folder."""

    file: str


@event("screen", "missing", use="says why there is no picture")
class ScreenshotMissing(Event):
    """A screenshot that QEMU could not write, and its reason."""

    file: str
    reason: str


# The machine


@event("machine", "power-on")
class PowerOn(Event):
    """The first instruction of the guest: second 0 of the run."""


@event("machine", "key", use="shown while a boot goes on")
class PromptAnswer(Event):
    """The answer to a question of an installer.

    ``typed`` are names of keys (QEMU's QKeyCode) on a screen, text on a serial line.
    """

    prompt: str
    place: Place
    typed: str | tuple[str, ...]


@event("qmp", "event")
class QmpEvent(Event):
    """An event of QEMU's monitor, such as RESET or SHUTDOWN; ``detail`` is its ``data``."""

    name: str
    detail: Mapping[str, Any]


@event("disk", "reads")
class DiskReads(Event):
    """The bytes that the guest has read from its disk since power-on."""

    read_bytes: int


@event("disk", "writes")
class DiskWrites(Event):
    """The bytes that the guest has written to its disk since power-on."""

    written_bytes: int


@event("iso", "reads", use="shown in the console; the clock takes it for a sign of life")
class IsoReads(Event):
    """The bytes that the guest has read from the ISO since power-on."""

    read_bytes: int


@event("cpu", "mode")
class CpuModeChange(Event):
    """The mode of the first processor, where it changed.

    ``interrupt_table`` is the half of the address space that holds the interrupt table: a 64-bit
    kernel has it in the upper one. ``disk_read_bytes`` is what had been read from the disk by then,
    None where it was not asked.
    """

    mode: CpuMode
    interrupt_table: Half = "low"
    disk_read_bytes: int | None = None


@event("cpu", "work", use="the clock takes it for a sign of life")
class CpuWork(Event):
    """The share of one host processor that the machine took in the last five seconds (1 = all)."""

    share: float


# The network


@event("network", "frame")
class Frame(Event):
    """The first frame of its kind that the guest sent; 256 distinct ones at most.

    ``what`` is the kind (:mod:`harness.observe.frames`); ``source`` and ``target`` are IP
    addresses, empty where the frame carries none. ``number`` counts the guest's frames from 1.
    """

    what: str
    mac: str
    source: str
    target: str
    number: int = 0


@event("network", "frames", use="shown while a boot goes on")
class FrameCount(Event):
    """The number of frames that the guest has sent since power-on."""

    count: int


@event("network", "banner")
class Banner(Event):
    """The first bytes that the guest sent on a connection to its port 22; 256 at most."""

    text: GuestText


@event("receiver", "call")
class Call(Event):
    """An HTTP request of the guest to the receiver; 1000 at most.

    ``path`` has at most 512 characters. ``fields`` are those of a form: 32 at most, of 4096
    characters each.
    """

    path: GuestText
    fields: Mapping[GuestText, GuestText]


@event("archive", "get", use="says what an installation asked for")
class ArchiveGet(Event):
    """A file that the guest asked of the package archive; 5000 at most.

    ``status`` is the HTTP status, ``size_bytes`` what was sent.
    """

    path: GuestText
    status: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class NicRecord:
    """A NIC as the guest sees it: its name, its MAC address, the name of its driver."""

    name: GuestText
    mac: GuestText
    driver: GuestText


@dataclass(frozen=True, slots=True)
class CloudInitRecord:
    """The end of cloud-init in the guest.

    ``exit`` is the exit status of ``cloud-init status --wait``, ``status`` its first line.
    ``datasource`` and ``errors`` are those of ``/run/cloud-init/result.json``, 8 errors at most.
    """

    exit: GuestText
    status: GuestText
    datasource: GuestText
    errors: tuple[GuestText, ...]


@event("ssh", "login")
class SshLogin(Event):
    """A login with the key of the seed, and the guest's answers to a few questions.

    ``root_transport`` is the bus of the root disk, empty where it is not known. ``nics`` has at
    most 8 rows.
    """

    user: str
    os: GuestText
    kernel: GuestText
    root_device: GuestText
    root_transport: str
    nics: tuple[NicRecord, ...]
    cloud_init: CloudInitRecord


@event("ssh", "failed")
class SshFailure(Event):
    """The guest let nobody in with the key of the seed, and the reason of the last attempt."""

    reason: GuestText


# Time


@event("clock", "quiet")
class Quiet(Event):
    """A step of silence: nothing has moved for ``quiet_s`` seconds.

    ``reference_s`` is the same on the host where the limits were chosen; this one is ``slowness``
    times slower. ``last`` is the step after which the guest is not waited for any longer.
    """

    quiet_s: float
    reference_s: float
    last: bool
    slowness: float


@event("clock", "pause", use="the answers to prompts are given in it")
class Pause(Event):
    """A silence that proves nothing, only long enough to answer a question in."""

    quiet_s: float
    reference_s: float
    last: bool
    slowness: float


@event("clock", "time-over")
class TimeOver(Event):
    """The end of the time that the run was given."""

    slowness: float


# The host


@event("host", "fault")
class HostFault(Event):
    """A fault of this host, or of harness itself: the id of its finding, and one sentence.

    ``signal`` is the number of the signal that ended the run, None where none did.
    """

    finding: str
    statement: str
    signal: int | None = None


@event("host", "qemu-ended")
class QemuEnd(Event):
    """The end of QEMU without being asked to.

    ``status`` is its exit status, negative for a signal, None where nobody is told. ``stderr`` are
    its last five lines. ``oom_kills`` is how many processes the kernel of this host killed for want
    of memory while QEMU ran.
    """

    status: int | None
    stderr: tuple[GuestText, ...]
    oom_kills: int


@event("host", "image-changed")
class ImageChange(Event):
    """The image was changed by somebody else while it was tried."""


# Further boots


@event("counterfactual", "start", use="a matrix shows what is tried besides")
class SecondBootStart(Event):
    """The start of one more boot with one thing changed, recorded in a folder of its own."""

    change: str


@event("counterfactual", "result")
class SecondBootResult(Event):
    """The result of the boot with one thing changed; ``statement`` says what it proves."""

    change: str
    outcome: Outcome
    stage: Stage | None
    cause: str | None
    statement: str


@event("part", "start", use="a matrix shows which part of an installation is tried")
class PartStart(Event):
    """The start of a part of an installation, recorded in a folder of its own."""

    name: str


@event("part", "result")
class PartResult(Event):
    """The result of a part of an installation.

    ``reaches`` is the stage that a pass of the part proves. ``stages_s`` are its stages in seconds
    since its power-on, which was ``started_s`` seconds after that of the run.
    """

    name: str
    reaches: Stage
    outcome: Outcome
    cause: str | None
    findings: tuple[Finding, ...]
    stages_s: Mapping[Stage, float]
    started_s: float


# A person at the console


@event("person", "typing", use="the console shows it")
class PersonTyping(Event):
    """Keys that a person typed on the serial line: how many bytes, and not which."""

    size_bytes: int


@event("person", "action")
class PersonAction(Event):
    """An action of the console (:mod:`harness.console.actions`) with its arguments."""

    action: str
    said: str


@event("person", "refused", use="the console shows it")
class PersonRefusal(Event):
    """The reason why the action before could not be done."""

    said: str


@event("person", "answer", use="the console shows it")
class PersonAnswer(Event):
    """The answer of QEMU to a command of a person; 400 characters at most."""

    said: str

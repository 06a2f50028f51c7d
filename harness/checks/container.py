"""Checks of an image's container against the formats that the provider takes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator

from harness.errors import UsageError
from harness.evidence.guest_text import printable
from harness.image.container.formats import Container
from harness.image.container.qcow2 import Qcow2Facts
from harness.image.container.qemu_check import QemuCheck
from harness.model.finding import Finding, finding
from harness.net.link import is_url, name_in_url
from harness.provider.profile import Profile

INSPECTED_FORMATS = ("qcow2", "iso")
"""The formats that harness inspects and boots."""

# The remedy for formats without a specific one.
_CONVERT_DISK = "qemu-img convert -p -f {format} -O qcow2 {image} image.qcow2"
_NAME_ANOTHER = "Name the disk image itself, in the format qcow2 or iso."

_SUFFIXES = {".qcow2": "qcow2", ".iso": "iso"}


def check_container(container: Container, location: str, profile: Profile) -> list[Finding]:
    """Return the findings about the file's format; none where the provider takes it.

    Raises UsageError where the provider takes the format and harness does not inspect it.
    """
    image = shlex.quote(location)
    if container.polyglot:
        titles = " and ".join(reading.title for reading in container.polyglot)
        statement = f"The file can be read as {titles}: what a provider makes of it is chance."
        remedy = "Make the image anew with one tool; do not upload this file."
        return [finding("format.polyglot", statement, _magic_evidence(container), remedy)]
    images = profile.images
    remedy = _remedy(container, image)
    article = "an" if container.title[0] in "aeiouAEIOULX" else "a"
    if container.format in (*images.formats.value, *images.archives.value):
        if container.format not in INSPECTED_FORMATS:
            raise UsageError(
                f"{printable(location, 200)}: is {article} {container.title}, which "
                f"{profile.title} takes, and harness does not look into: try what this makes: "
                + remedy
            )
        return _check_name(container, location)
    takes = " or ".join(images.formats.value)
    if container.kind == "archive":
        unpacks = " and ".join(images.archives.value)
        statement = (
            f"The file is {article} {container.title}; {profile.title} takes {takes} and unpacks "
            f"{f'{unpacks} only' if unpacks else 'nothing'}."
        )
        return [finding("format.archive", statement, _magic_evidence(container), remedy)]
    statement = f"The file is {article} {container.title}; {profile.title} takes {takes}."
    return [finding("format.unsupported", statement, _magic_evidence(container), remedy)]


def _remedy(container: Container, image: str) -> str:
    """Return the command, or the advice, that leads to a file in an inspected format."""
    by_kind = _CONVERT_DISK if container.kind == "disk" else _NAME_ANOTHER
    return (container.readings[0].remedy or by_kind).format(format=container.format, image=image)


def _magic_evidence(container: Container) -> tuple[str, ...]:
    return tuple(
        f"byte {reading.offset}: {_describe_magic(reading.magic)}"
        for reading in container.readings
        if reading.magic
    )


def _describe_magic(magic: bytes) -> str:
    """Return the bytes in hexadecimal, and as text."""
    text = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in magic)
    return f"{magic.hex(' ')}  {text}"


def _check_name(container: Container, location: str) -> list[Finding]:
    """Return the finding about a name that promises another format.

    Such a name confuses people and some upload forms.
    """
    name = (name_in_url(location) if is_url(location) else location.rsplit("/", 1)[-1]).lower()
    promised = next((kind for suffix, kind in _SUFFIXES.items() if name.endswith(suffix)), None)
    if promised is None or promised == container.format:
        return []
    statement = (
        f"The name {printable(name, 80)} promises {promised}, the content is {container.format}."
    )
    remedy = f"Rename the file to end in .{container.format}."
    return [finding("format.name-mismatch", statement, (), remedy)]


def check_consistency(checked: QemuCheck, location: str) -> list[Finding]:
    """Return the findings from QEMU's own check of a qcow2. Leaks only waste space."""
    command = f"qemu-img check -r all {shlex.quote(location)}"
    if checked.problem:
        statement = f"qemu-img check gave no answer: {printable(checked.problem, 300)}."
        return [finding("qcow2.not-checked", statement)]
    if checked.corruptions:
        statement = f"The qcow2's tables contradict each other in {checked.corruptions} places."
        evidence = (f"qemu-img check: {checked.corruptions} corruptions",)
        return [finding("qcow2.corrupt", statement, evidence, command)]
    return []


_Check = Callable[[Qcow2Facts, str], Iterator[Finding]]


def describe_qcow2(facts: Qcow2Facts) -> str:
    """Describe the container in a few words, with the byte offsets of what they say."""
    packing = "zstd" if facts.compression_type else "deflate"
    packed = f", compressed ({packing})" if facts.compressed_clusters else ""
    snapshots = f", {facts.snapshots} snapshots" if facts.snapshots else ""
    read = "" if facts.complete else ", of its tables only a part was read"
    cluster_kib = (1 << facts.cluster_bits) / 1024
    return (
        f"qcow2 version {facts.version} (byte 4), clusters of {cluster_kib:g} KiB, "
        f"tables from byte {facts.l1_offset}{packed}{snapshots}{read}"
    )


def check_qcow2(facts: Qcow2Facts, location: str) -> list[Finding]:
    """Return the findings about a qcow2 as such."""
    image = shlex.quote(location)
    return [found for check in _QCOW2_CHECKS for found in check(facts, image)]


def _malformed(facts: Qcow2Facts, _: str) -> Iterator[Finding]:
    if facts.faults:
        first = facts.faults[0]
        evidence = tuple(f"byte {fault.offset}: {fault.what}" for fault in facts.faults[:8])
        statement = f"The qcow2 is malformed at byte {first.offset}: {first.what}."
        yield finding("qcow2.malformed", statement, evidence)


def _backing_file(facts: Qcow2Facts, image: str) -> Iterator[Finding]:
    if facts.backing_file is not None:
        name = printable(facts.backing_file, 120)
        statement = f"The qcow2 holds only what differs from another file, {name!r}."
        command = f"qemu-img convert -O qcow2 {image} whole.qcow2   # where that file is at hand"
        yield finding("qcow2.backing-file", statement, ("byte 8: backing_file_offset",), command)


def _data_file(facts: Qcow2Facts, image: str) -> Iterator[Finding]:
    if facts.has("external data file") or facts.data_file is not None:
        name = printable(facts.data_file or "", 120)
        statement = f"The qcow2 keeps its data in another file, {name!r}."
        command = f"qemu-img convert -O qcow2 {image} whole.qcow2   # where that file is at hand"
        evidence = ("byte 72: incompatible feature bit 2",)
        yield finding("qcow2.data-file", statement, evidence, command)


def _encrypted(facts: Qcow2Facts, _: str) -> Iterator[Finding]:
    if facts.crypt_method:
        method = {1: "AES", 2: "LUKS"}.get(facts.crypt_method, f"method {facts.crypt_method}")
        statement = f"The qcow2 is encrypted ({method}), and the provider has no key."
        evidence = (f"byte 32: crypt_method {facts.crypt_method}",)
        yield finding("qcow2.encrypted", statement, evidence)


def _corrupt(facts: Qcow2Facts, image: str) -> Iterator[Finding]:
    if facts.has("corrupt"):
        statement = "The qcow2 is marked corrupt: QEMU opens it for reading only."
        evidence = ("byte 72: incompatible feature bit 1",)
        yield finding("qcow2.corrupt", statement, evidence, f"qemu-img check -r all {image}")


def _unknown_feature(facts: Qcow2Facts, _: str) -> Iterator[Finding]:
    if facts.unknown_features:
        names = printable(", ".join(facts.unknown_features), 200)
        statement = f"The qcow2 needs a feature that QEMU does not know: {names}."
        yield finding("qcow2.unknown-feature", statement, ("byte 72: incompatible_features",))


def _truncated(facts: Qcow2Facts, _: str) -> Iterator[Finding]:
    if facts.missing_bytes:
        statement = (
            f"The file is cut off: at least {facts.missing_bytes} bytes are missing at its end."
        )
        yield finding("format.truncated", statement)


def _dirty(facts: Qcow2Facts, image: str) -> Iterator[Finding]:
    if facts.has("dirty"):
        statement = "The qcow2 was not closed in order: its reference counts are out of date."
        evidence = ("byte 72: incompatible feature bit 0",)
        yield finding("qcow2.dirty", statement, evidence, f"qemu-img check -r all {image}")


def _snapshots(facts: Qcow2Facts, image: str) -> Iterator[Finding]:
    if facts.snapshots:
        statement = f"The qcow2 holds {facts.snapshots} internal snapshots, which are uploaded too."
        command = f"qemu-img convert -O qcow2 {image} without-snapshots.qcow2"
        evidence = (f"byte 60: nb_snapshots {facts.snapshots}",)
        yield finding("qcow2.snapshots", statement, evidence, command)


def _compressed(facts: Qcow2Facts, _: str) -> Iterator[Finding]:
    if facts.compressed_clusters:
        yield finding("qcow2.compressed", "The qcow2 holds compressed clusters, which is fine.")


_QCOW2_CHECKS: tuple[_Check, ...] = (
    _malformed,
    _backing_file,
    _data_file,
    _encrypted,
    _corrupt,
    _unknown_feature,
    _truncated,
    _dirty,
    _snapshots,
    _compressed,
)

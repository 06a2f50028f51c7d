"""The answers for the installer of one run: the kernel's command line, and files."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.installer.families import AnswerFile, Family, Template, template_text
from harness.installer.values import AnswerValues

_MAX_OWN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers that the machine of an installation is given.

    ``cmdline`` is for the kernel on the ISO; "" where the ISO starts itself. ``initrd_files`` are
    appended to its initrd (:func:`harness.image.fs.newc.append_files`). ``iso_files`` go onto an
    ISO labelled ``iso_label`` in a second CD-ROM drive
    (:func:`harness.seed.data_iso.write_data_iso`); there is one only where the label is set.
    """

    cmdline: str
    initrd_files: Mapping[str, bytes]
    iso_label: str | None
    iso_files: Mapping[str, bytes]


def write_answers(family: Family, values: AnswerValues, own: str | None = None) -> Answers:
    """Return the answers of ``family`` with ``values`` in them.

    ``own`` is a user's text in place of the family's main file; its placeholders are replaced
    like those of a template. Raises UsageError where it has an unknown placeholder.
    """
    texts = _texts(family, values)
    contents = {file: _content(file, texts, own) for file in family.files if file.link is None}
    return Answers(
        cmdline=" ".join(Template(family.cmdline).substitute(texts).split()),
        initrd_files=_placed(_files(family, "initrd"), contents),
        iso_label=family.answers_iso_label,
        iso_files=_placed(_files(family, "iso"), contents),
    )


def read_user_answers(path: Path) -> str:
    """Return the text of a user's answer file; raises UsageError where it cannot be one."""
    try:
        content = path.read_bytes()[: _MAX_OWN_BYTES + 1]
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    if len(content) > _MAX_OWN_BYTES:
        raise UsageError(f"{path}: larger than 1 MiB, which no answer file is.")
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is no UTF-8; convert the file.") from error


def _texts(family: Family, values: AnswerValues) -> dict[str, str]:
    texts = values.texts()
    chosen = {
        name: choice.text(values.firmware, values.archive is not None)
        for name, choice in family.choices.items()
    }
    return texts | {name: Template(text).substitute(texts) for name, text in chosen.items()}


def _content(file: AnswerFile, texts: Mapping[str, str], own: str | None) -> bytes:
    if file.main and own is not None:
        return _own_content(own, texts)
    if file.template is None:
        return b""
    return Template(template_text(file.template)).substitute(texts).encode()


def _own_content(own: str, texts: Mapping[str, str]) -> bytes:
    template = Template(own)
    if not template.is_valid():
        raise UsageError("The answer file has a ${harness_…} that is not closed, or in capitals.")
    unknown = sorted(set(template.get_identifiers()) - texts.keys())
    if unknown:
        raise UsageError(
            f"The answer file asks for {', '.join('${harness_' + name + '}' for name in unknown)}; "
            f"there is {', '.join(sorted(texts))}."
        )
    return template.substitute(texts).encode()


def _files(family: Family, place: str) -> list[AnswerFile]:
    return [file for file in family.files if file.to == place]


def _placed(files: Iterable[AnswerFile], contents: Mapping[AnswerFile, bytes]) -> dict[str, bytes]:
    placed: dict[str, bytes] = {}
    packed: dict[str, list[AnswerFile]] = {}
    for file in files:
        if file.inside is None:
            placed[file.path] = contents[file]
        else:
            packed.setdefault(file.inside, []).append(file)
    return placed | {name: _tar_gz(members, contents) for name, members in packed.items()}


def _tar_gz(files: Iterable[AnswerFile], contents: Mapping[AnswerFile, bytes]) -> bytes:
    """Return a gzipped tar of ``files``, owned by root: the same bytes for the same files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for file in files:
            entry = tarfile.TarInfo(file.path)
            entry.mode = file.mode
            if file.link is not None:
                entry.type, entry.linkname = tarfile.SYMTYPE, file.link
                tar.addfile(entry)
            else:
                entry.size = len(contents[file])
                tar.addfile(entry, io.BytesIO(contents[file]))
    return gzip.compress(out.getvalue(), mtime=0)

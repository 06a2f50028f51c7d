"""Families of installers: the start of each and its answers. ``families.toml`` has them."""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from harness.image.iso.iso_image import IsoSystem
from harness.installer.values import ARCHIVE_PLACEHOLDERS, PLACEHOLDERS
from harness.model.hardware import Firmware
from harness.model.table import parse_table, shipped_table

Way = Literal["initrd", "answer ISO", "changed ISO"]
"""The delivery of the answers: in the initrd that we boot; on a second CD-ROM; only on a rebuilt
installer ISO, which harness does not do."""


_PLACEHOLDER = r"""
    \$\{harness_(?:
      (?P<braced>[a-z_]+)\} | (?P<named>(?!)) | (?P<escaped>(?!)) | (?P<invalid>)
    )"""


class Template(string.Template):
    """A text in which only placeholders ``${harness_NAME}`` are replaced.

    A script keeps its own dollar signs, and so does a user's file that has no placeholders.
    """

    pattern = _PLACEHOLDER  # type: ignore[assignment]  # the base class compiles it, verbose
    flags = re.RegexFlag(0)  # a placeholder in capitals is a mistyped one


class _FamilyModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AnswerFile(_FamilyModel):
    """A file for an installer: from a template, or empty, or a link.

    ``inside`` names the gzipped tar that has it at ``path``; without one it is at ``path`` itself.
    ``mode`` and ``link`` are for members of a tar. The ``main`` one is the answer file proper; a
    user's own file replaces it.
    """

    to: Literal["initrd", "iso"]
    path: str = Field(pattern=r"^[\w.-]+(/[\w.-]+)*$")
    template: str | None = None
    inside: str | None = Field(default=None, pattern=r"^[\w.-]+$")
    mode: Literal[0o644, 0o755] = 0o644
    link: str | None = None
    main: bool = False

    @model_validator(mode="after")
    def _check_row(self) -> AnswerFile:
        if self.to == "iso" and "/" in self.path and not self.inside:
            raise ValueError("what is on the answer ISO is in its root")
        if not self.inside and (self.link or self.mode != 0o644):
            raise ValueError("link and mode are for what is inside an archive")
        if self.link and self.template:
            raise ValueError("a link has no template")
        if self.main and not self.template:
            raise ValueError("the main file has a template")
        return self


class TextChoice(_FamilyModel):
    """A text that depends on the machine: on its firmware, or on whether there is an archive."""

    bios: str | None = None
    uefi: str | None = None
    archive: str | None = None
    no_archive: str | None = None

    @model_validator(mode="after")
    def _check_row(self) -> TextChoice:
        given = {name for name, text in self if text is not None}
        if given not in ({"bios", "uefi"}, {"archive", "no_archive"}):
            raise ValueError("a choice has the texts bios and uefi, or archive and no_archive")
        return self

    def text(self, firmware: Firmware, archive: bool) -> str:
        """Return the text for a machine with ``firmware``, with or without an ``archive``."""
        if self.bios is not None and self.uefi is not None:
            return self.bios if firmware == "bios" else self.uefi
        return str(self.archive if archive else self.no_archive)


class Family(_FamilyModel):
    """One row of the table.

    ``name`` is the family's in ``harness/image/iso/systems.toml``, which has the paths of its
    kernel. Without a ``cmdline`` for the kernel, the ISO starts itself. ``choices`` are further
    placeholders. ``tried`` tells whether an installation was ever run with these answers, and
    ``note``, in one sentence, of which version, or what prevents it.
    """

    name: str = Field(min_length=1)
    way: Way
    cmdline: str = ""
    answers_iso_label: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_]{1,16}$")
    files: tuple[AnswerFile, ...] = Field(min_length=1)
    choices: dict[str, TextChoice] = {}
    tried: Literal["run", "not run"]
    note: str = Field(min_length=1, pattern=r"\.$")
    sources: tuple[str, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _check_row(self) -> Family:
        faults = [*self._faults_of_files(), *self._faults_of_texts()]
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _faults_of_files(self) -> Iterator[str]:
        places = {file.to for file in self.files}
        if "initrd" in places and not self.cmdline:
            yield "files go into the initrd, and no kernel is started"
        if ("iso" in places) != (self.answers_iso_label is not None):
            yield "a label and files of an answer ISO go together"
        if ("initrd" in places) != (self.way == "initrd"):
            yield "way and the places of the files contradict each other"
        if sum(file.main for file in self.files) != 1:
            yield "one file is the main one"

    def _faults_of_texts(self) -> Iterator[str]:
        known = PLACEHOLDERS | self.choices.keys()
        yield from _placeholder_faults("cmdline", self.cmdline, known)
        for file in self.files:
            if file.template is None:
                continue
            try:
                yield from _placeholder_faults(file.template, template_text(file.template), known)
            except FileNotFoundError:
                yield f"{file.template}: no such template"
        for name, choice in self.choices.items():
            for condition, text in choice:
                extra = ARCHIVE_PLACEHOLDERS if condition == "archive" else frozenset()
                yield from _placeholder_faults(
                    f"{name}.{condition}", text or "", PLACEHOLDERS | extra
                )


class _FamilyTable(_FamilyModel):
    family: tuple[Family, ...]


def _placeholder_faults(place: str, text: str, known: Iterable[str]) -> Iterator[str]:
    template = Template(text)
    if not template.is_valid():
        yield f"{place}: a placeholder is not closed, or in capitals"
        return
    unknown = sorted(set(template.get_identifiers()).difference(known))
    if unknown:
        yield f"{place}: no such placeholder: {', '.join(unknown)}"


def template_text(name: str) -> str:
    """Return the shipped template ``name``."""
    folder = resources.files(__package__) / "templates"
    return (folder / name).read_text(encoding="utf-8")


def parse_families(text: str, location: str) -> tuple[Family, ...]:
    """Return the families in TOML ``text``; raises UsageError that names every fault at once."""
    return parse_table(text, location, _FamilyTable).family


@cache
def families() -> tuple[Family, ...]:
    """Return the families that ship with harness."""
    return shipped_table(__package__, "families.toml", _FamilyTable).family


def family_for(systems: Iterable[IsoSystem]) -> Family | None:
    """Return the family of the first installer among ``systems`` of an ISO; None if unknown."""
    by_name = {family.name: family for family in families()}
    first = next((system for system in systems if system.kind == "installer"), None)
    return by_name.get(first.family) if first else None

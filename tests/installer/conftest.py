"""The answers of every family, for each machine that they can be for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from harness.installer.answers import write_answers
from harness.installer.families import Family, families
from harness.installer.values import AnswerValues, PackageArchive, new_values
from harness.seed.guest_network import GuestNetwork
from tests.installer.answer_files import contents

MAC = "00:50:56:0a:0b:0c"
ARCHIVE = PackageArchive(host="203.0.113.2:8080", directory="/debian")

FamilyNamed = Callable[[str], Family]


@pytest.fixture
def family_named() -> FamilyNamed:
    return {family.name: family for family in families()}.__getitem__


@pytest.fixture(params=["bios-disc", "bios-archive", "uefi-disc", "uefi-archive"])
def values(request: pytest.FixtureRequest) -> AnswerValues:
    firmware, source = request.param.split("-")
    return new_values(MAC, GuestNetwork(), firmware, ARCHIVE if source == "archive" else None)


@pytest.fixture
def text_of(family_named: FamilyNamed, values: AnswerValues) -> Callable[[str, str], str]:
    """The text of a family's file at a path, wherever it is given to the installer."""

    def text(name: str, path: str) -> str:
        return contents(write_answers(family_named(name), values))[path].decode()

    return text

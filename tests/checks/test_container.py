"""What is said of a file by the kind of its container."""

from __future__ import annotations

import pytest

from harness.checks.container import check_container
from harness.image.container.formats import SIGNATURES, Container, Signature
from harness.provider.profile import load_profile

_ARCHIVES = [row for row in SIGNATURES if row.kind == "archive"]


@pytest.mark.parametrize("archive", _ARCHIVES, ids=lambda row: row.title)
def test_every_archive_has_the_command_that_unpacks_it(archive: Signature) -> None:
    (row,) = check_container(Container((archive,)), "an image", load_profile("contabo"))
    assert row.id == "format.archive"
    assert "'an image'" in row.remedy

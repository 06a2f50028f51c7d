"""The explanations of findings, and their page."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.finding import finding_catalog
from harness.report.findings_page import find_explanation, findings_page, ids_by_group

PAGE = Path(__file__).parents[2] / "docs" / "findings.md"


def test_unknown_id_suggests_similar_ones() -> None:
    assert find_explanation("disk.no-bootloader") is finding_catalog()["disk.no-bootloader"]
    with pytest.raises(UsageError, match=r"did you mean .*disk\.no-bootloader"):
        find_explanation("disk.no-bootlaoder")
    with pytest.raises(UsageError, match="harness explain lists all"):
        find_explanation("zzz")


def test_every_id_is_in_one_group() -> None:
    rows = [row for ids in ids_by_group().values() for row in ids]
    assert sorted(rows) == sorted(finding_catalog())


def test_the_page_of_the_documentation_is_that_of_the_catalog() -> None:
    assert PAGE.read_text(encoding="utf-8") == findings_page()

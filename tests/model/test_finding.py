"""Findings and their catalog."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from harness.model.finding import Explanation, Finding, finding, finding_catalog, finding_of_cause


def test_the_catalog_gives_severity_and_remedy() -> None:
    found = finding("disk.no-bootloader", "There is none.", ("sector 0",))
    entry = finding_catalog()["disk.no-bootloader"]
    assert (found.severity, found.remedy) == (entry.severity, entry.remedy)
    assert found.evidence == ("sector 0",)
    assert finding("disk.no-bootloader", "x", remedy="do this").remedy == "do this"


def test_an_unknown_finding_id_raises_key_error() -> None:
    with pytest.raises(KeyError):
        finding("disk.nonsense", "x")


@pytest.mark.parametrize("finding_id", ["", "disk", "Disk.x", "disk.x_y", "disk.", ".x"])
def test_an_id_has_a_group_and_a_name(finding_id: str) -> None:
    with pytest.raises(ValidationError):
        Finding(id=finding_id, severity="info", statement="x")


def test_the_first_tag_with_a_remedy_of_its_own_decides() -> None:
    entry = Explanation(
        severity="error",
        meaning="m",
        seen="s",
        remedy="the common one",
        remedies={"dracut": "dracut --force", "alpine": "apk fix"},
        source="x",
    )
    assert entry.remedy_for(["debian", "alpine", "dracut"]) == "apk fix"
    assert entry.remedy_for(["debian"]) == "the common one"
    assert entry.remedy_for([]) == "the common one"


def test_finding_of_cause_is_the_first_with_its_id() -> None:
    rows = [finding("disk.no-bootloader", "one"), finding("disk.no-bootloader", "two")]
    assert finding_of_cause(rows, "disk.no-bootloader") is rows[0]
    assert finding_of_cause(rows, "boot.kernel-panic") is None
    assert finding_of_cause(rows, None) is None

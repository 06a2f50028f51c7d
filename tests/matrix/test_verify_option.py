"""An option of a matrix is declared once, and all other places follow the declaration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.cli.verify import verify
from harness.matrix.attempt import Options
from harness.matrix.catalog import CatalogEntry
from harness.matrix.verify_option import verify_options, verify_words

# Where an image comes from is said by the step that fetches or builds it.
_SOURCE = {"url", "checksums", "sha256", "file", "recipe"}
# What the matrix does itself.
_OF_THE_MATRIX = {"name", "description", "deadline_s", "tags", "expected", "why"}
_DOCS = Path(__file__).parents[2] / "docs" / "matrix.md"


def entry(**more: Any) -> CatalogEntry:
    return CatalogEntry.model_validate({"name": "debian", "file": "debian.qcow2", **more})


def test_every_field_of_an_entry_is_passed_or_used_by_the_matrix() -> None:
    assert set(CatalogEntry.model_fields) == {
        *verify_options(CatalogEntry),
        *_SOURCE,
        *_OF_THE_MATRIX,
    }


@pytest.mark.parametrize("kind", [CatalogEntry, Options])
def test_each_declared_option_exists(kind: type) -> None:
    known = {word for row in verify.params for word in (*row.opts, *row.secondary_opts)}
    assert {option.name for option in verify_options(kind).values()} <= known


def test_every_field_of_an_entry_is_in_the_docs() -> None:
    rows = [row for row in _DOCS.read_text(encoding="utf-8").splitlines() if row.startswith("| `")]
    said = " ".join(row.split("|")[1] for row in rows)
    assert {name for name in CatalogEntry.model_fields if f"`{name}`" not in said} == set()


def test_a_field_that_is_not_set_is_not_passed() -> None:
    assert list(verify_words(entry())) == ["--provider", "contabo", "--until", "network"]
    assert list(verify_words(Options())) == ["--accel", "auto"]


def test_a_field_that_is_set_is_passed() -> None:
    said = " ".join(verify_words(entry(firmware="uefi", install=True, strict=True, silence_s=90)))
    expected = "--provider contabo --firmware uefi --until network --install --strict --silence 90"
    assert said == expected
    options = Options(counterfactual=False, rules=(Path("/a.toml"), Path("/b.toml")))
    said = " ".join(verify_words(options))
    assert said == "--accel auto --no-counterfactual --rules /a.toml --rules /b.toml"

"""The gallery as a catalog of ``harness matrix``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from images.gallery.entry import Entry, load_entry

ROOT = Path(__file__).parents[2]


def catalog(names: Iterable[str]) -> str:
    """Return the text of a catalog of these entries; each is built where it is tried."""
    head = [
        "[recipes]",
        'command = ["python", "-m", "images.gallery", "--build"]',
        f"folder = {_quoted(str(ROOT))}",
    ]
    rows = (line for name in names for line in _row(name, load_entry(name)))
    return "\n".join([*head, *rows]) + "\n"


def _row(name: str, entry: Entry) -> Iterator[str]:
    expected = entry.expected
    yield from ("", "[[image]]", f"name = {_quoted(name)}", f"recipe = {_quoted(name)}")
    yield f"description = {_quoted(entry.description)}"
    yield f"why = {_quoted(entry.why)}"
    yield 'tags = ["gallery"]'
    if entry.provider != Entry.model_fields["provider"].default:
        yield f"provider = {_quoted(entry.provider)}"
    if entry.firmware:
        yield f"firmware = {_quoted(entry.firmware)}"
    yield "[image.expected]"
    yield f"outcome = {_quoted(expected.outcome)}"
    yield f"stages = [{', '.join(map(_quoted, expected.stages))}]"
    if expected.cause:
        yield f"cause = {_quoted(expected.cause)}"
    if expected.predicted is not None:
        yield f"predicted = {'true' if expected.predicted else 'false'}"


def _quoted(text: str) -> str:
    """Return a basic string of TOML; it has all escapes of JSON (TOML 1.0, "String")."""
    return json.dumps(text)

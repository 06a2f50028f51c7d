"""Recordings of ``harness.evidence/1``: what they name otherwise, and what they lack.

This is the only place that knows of it. A row is brought to the form of ``harness.evidence/2``
before an event is made of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

# Channel and kind, then and now.
_RENAMED = {
    ("disc", "reads"): ("iso", "reads"),
    ("person", "type"): ("person", "typing"),
}
_PERSON_KINDS = frozenset({"type", "refused", "answer"})
# What was added to an event later, with the value that held before.
_LACKING: Mapping[tuple[str, str], Mapping[str, Any]] = {
    ("run", "start"): {
        "prediction": {},
        "inside": [],
        "check_s": 0.0,
        "firmware": "bios",
        "chipset": "pc",
        "disk_bus": "virtio-scsi",
        "medium": "disk",
        "strict": False,
        "until": "network",
    },
    ("part", "result"): {"findings": []},
    ("person", "action"): {"said": ""},
}
_MEDIA = {"disc": "iso"}


def upgraded(channel: str, kind: str, fields: Row) -> tuple[str, str, Row]:
    """Return channel, kind and fields of a row of ``harness.evidence/1`` as ``/2`` has them."""
    if channel == "person" and kind not in _PERSON_KINDS:
        channel, kind, fields = "person", "action", {**fields, "action": kind}
    channel, kind = _RENAMED.get((channel, kind), (channel, kind))
    if (channel, kind) == ("person", "typing"):
        fields = {"size_bytes": fields.get("bytes", 0)}
    fields = {**_LACKING.get((channel, kind), {}), **fields}
    if (channel, kind) == ("run", "start"):
        medium = fields["medium"]
        fields["medium"] = _MEDIA.get(medium, medium) if isinstance(medium, str) else medium
    return channel, kind, fields

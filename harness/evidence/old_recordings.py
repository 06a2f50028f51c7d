"""The upgrade of recordings from ``harness.evidence/1`` to ``harness.evidence/2``.

Only this module knows the old names and defaults. A row is upgraded before it becomes an event.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]

# Channel and kind: old to new.
_RENAMED = {
    ("disc", "reads"): ("iso", "reads"),
    ("person", "type"): ("person", "typing"),
}
_PERSON_KINDS = frozenset({"type", "refused", "answer"})
# Fields that version 2 added, with the value that applies to older recordings.
_ADDED_FIELDS: Mapping[tuple[str, str], Mapping[str, Any]] = {
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


def upgrade_row(channel: str, kind: str, fields: Row) -> tuple[str, str, Row]:
    """Return the channel, kind and fields of a row of ``harness.evidence/1`` in the form of /2."""
    if channel == "person" and kind not in _PERSON_KINDS:
        channel, kind, fields = "person", "action", {**fields, "action": kind}
    channel, kind = _RENAMED.get((channel, kind), (channel, kind))
    if (channel, kind) == ("person", "typing"):
        fields = {"size_bytes": fields.get("bytes", 0)}
    fields = {**_ADDED_FIELDS.get((channel, kind), {}), **fields}
    if (channel, kind) == ("run", "start"):
        medium = fields["medium"]
        fields["medium"] = _MEDIA.get(medium, medium) if isinstance(medium, str) else medium
    return channel, kind, fields

"""Events as lines of ``evidence.jsonl``, and back."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from harness.errors import FormatError, validation_faults
from harness.evidence.events import EVENTS, Event
from harness.evidence.old_recordings import upgrade_row

SCHEMA = "harness.evidence/2"
OLD_SCHEMA = "harness.evidence/1"
SCHEMAS = (OLD_SCHEMA, SCHEMA)


@dataclasses.dataclass(frozen=True, slots=True)
class Observation:
    """An event with its time. ``t_s`` is in seconds since power-on, 0 before it."""

    t_s: float
    event: Event


class UnreadableEventError(FormatError):
    """A line without an event that this version knows; ``str()`` is the reason."""


class CutLineError(UnreadableEventError):
    """A line that is no JSON object: the program that wrote it was killed."""


def header(schema: str = SCHEMA) -> str:
    """Return the first line of a file of evidence, without the newline."""
    return json.dumps({"schema": schema})


def encode(observation: Observation) -> str:
    """Return an observation as one line of ASCII, without the newline."""
    event = observation.event
    row = {"t_s": observation.t_s, "channel": event.channel, "kind": event.kind}
    fields = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return json.dumps({**row, **fields}, ensure_ascii=True)


def decode(line: str, schema: str = SCHEMA) -> Observation:
    """Return the observation on one line of a file with ``schema``.

    Raises UnreadableEventError if missing.
    """
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise CutLineError("it is not an observation") from error
    try:
        t_s, channel, kind = float(row.pop("t_s")), str(row.pop("channel")), str(row.pop("kind"))
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UnreadableEventError("it is not an observation") from error
    if not math.isfinite(t_s):
        raise UnreadableEventError("its time is not a number of seconds")
    if schema == OLD_SCHEMA:
        channel, kind, row = upgrade_row(channel, kind, row)
    event_type = EVENTS.get((channel, kind))
    if event_type is None:
        raise UnreadableEventError(
            f"this harness does not know the event {channel}/{kind}: a newer one wrote it"
        )
    try:
        return Observation(t_s, _adapter(event_type).validate_python(row))
    except ValidationError as error:
        raise UnreadableEventError(f"{channel}/{kind}: {validation_faults(error)}") from error


_ADAPTERS: dict[type[Event], TypeAdapter[Any]] = {}


def _adapter(event_type: type[Event]) -> TypeAdapter[Any]:
    """Return the validator of an event class; made when the class is first used."""
    if event_type not in _ADAPTERS:
        _ADAPTERS[event_type] = TypeAdapter(event_type)
    return _ADAPTERS[event_type]


def _plain(value: Any) -> Any:
    """Return ``value`` in the types of JSON."""
    if isinstance(value, str | int | float | None):
        return value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Mapping):
        return {str(name): _plain(row) for name, row in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(row) for row in value]
    return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}

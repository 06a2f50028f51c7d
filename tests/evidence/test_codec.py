"""Events keep their content when written and read; old recordings are upgraded."""

from __future__ import annotations

import dataclasses
import json
import lzma
from pathlib import Path

import pytest

from harness.evidence import events
from harness.evidence.codec import OLD_SCHEMA, Observation, decode, encode
from harness.evidence.events import EVENTS
from tests.evidence.samples import run_start

RECORDINGS = sorted(Path(__file__).parents[1].rglob("*.evidence.jsonl.xz"))


@pytest.mark.parametrize("packed", RECORDINGS, ids=lambda path: path.name.partition(".")[0])
def test_every_recording_is_the_same_when_written_again(packed: Path) -> None:
    lines = lzma.decompress(packed.read_bytes()).decode("ascii").splitlines()
    schema = json.loads(lines[0])["schema"]
    for line in lines[1:]:
        observation = decode(line, schema)
        assert decode(encode(observation)) == observation


@pytest.mark.parametrize(
    ("old", "event"),
    [
        (
            {"channel": "disc", "kind": "reads", "read_bytes": 2048},
            events.IsoReads(2048),
        ),
        (
            {"channel": "person", "kind": "type", "bytes": 3},
            events.PersonTyping(3),
        ),
        (
            {"channel": "person", "kind": "reset", "said": ""},
            events.PersonAction("reset", ""),
        ),
        (
            {"channel": "person", "kind": "refused", "said": "no"},
            events.PersonRefusal("no"),
        ),
        (
            {"channel": "cpu", "kind": "mode", "mode": "long", "interrupt_table": "high"},
            events.CpuModeChange("long", "high"),
        ),
    ],
)
def test_an_old_name_is_read_and_the_new_one_written(
    old: dict[str, object], event: events.Event
) -> None:
    observation = decode(json.dumps({"t_s": 1.5, **old}), OLD_SCHEMA)
    assert observation == Observation(1.5, event)
    row = json.loads(encode(observation))
    assert (row["channel"], row["kind"]) == (event.channel, event.kind)


def test_missing_fields_of_an_old_run_start_get_defaults() -> None:
    row = json.loads(encode(Observation(0.0, run_start(medium="iso"))))
    old = {**row, "medium": "disc"}
    for name in ("chipset", "disk_bus", "secure_boot", "tpm", "known", "part"):
        del old[name]
    (start,) = [decode(json.dumps(old), OLD_SCHEMA).event]
    assert start == run_start(medium="iso")


def test_every_event_is_a_frozen_class_with_a_docstring() -> None:
    for (channel, kind), event_type in EVENTS.items():
        assert (event_type.channel, event_type.kind) == (channel, kind)
        assert dataclasses.is_dataclass(event_type)
        assert event_type.__dataclass_params__.frozen  # type: ignore[attr-defined]
        assert event_type.__doc__, event_type
        assert "__dict__" not in dir(event_type)

"""The reference of events in Markdown: ``python -m harness.evidence.reference``.

``docs/evidence.md`` is made from the registry, so that it names what is written.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Iterator

from harness.evidence import events
from harness.evidence.codec import OLD_SCHEMA, SCHEMA
from harness.evidence.events import EVENTS, Event

_HEAD = f"""# Evidence

Every run folder holds `evidence.jsonl`: what the observers saw and what harness did, one JSON
object on a line, in the order in which it was recorded. The first line names the schema
(`{{"schema": "{SCHEMA}"}}`). Every other line has

- `t_s`: seconds since power-on, 0 before it;
- `channel` and `kind`: the event, as below;
- the fields of that event, and no others.

`harness replay RUN` reaches the verdict from this file alone. Recordings with `{OLD_SCHEMA}` are
read, too; an event that this version does not know is an error, so that a newer recording is never
misread. This page is made from `harness/evidence/events.py` by
`python -m harness.evidence.reference > docs/evidence.md`.
"""


def reference() -> str:
    """Return the page: every record and every event with its fields, in the order of the module."""
    records = [
        row
        for row in vars(events).values()
        if inspect.isclass(row) and dataclasses.is_dataclass(row) and not issubclass(row, Event)
    ]
    parts = [_HEAD, "## Events\n", *map(_event, EVENTS.values())]
    return "\n".join([*parts, "## Records in events\n", *map(_record, records)])


def _event(event_type: type[Event]) -> str:
    title = f"{event_type.channel}/{event_type.kind}"
    use = f"No verdict depends on it: {event_type.use}." if event_type.use else ""
    return _section(title, event_type, use)


def _record(record_type: type) -> str:
    return _section(record_type.__name__, record_type)


def _section(title: str, dataclass_type: type, use: str = "") -> str:
    lines = [f"### {title}", "", *_words(dataclass_type), "", *([use, ""] if use else [])]
    fields = list(_fields(dataclass_type))
    if fields:
        lines += ["| field | type |", "|---|---|", *fields, ""]
    return "\n".join(lines)


def _words(dataclass_type: type) -> Iterator[str]:
    """Yield the paragraphs of a docstring, with single backticks as Markdown has them."""
    text = inspect.getdoc(dataclass_type) or ""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    yield text.replace("``", "`")


def _fields(dataclass_type: type) -> Iterator[str]:
    for field in dataclasses.fields(dataclass_type):
        kind = str(field.type).replace("|", "\\|")
        yield f"| `{field.name}` | `{kind}` |"


if __name__ == "__main__":
    print(reference(), end="")  # noqa: T201  that is what it is for

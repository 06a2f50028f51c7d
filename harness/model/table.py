"""Tables in TOML: those that ship with harness, and those of the user."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from harness.errors import UsageError, validation_faults

_MAX_TABLE_BYTES = 4 << 20

Table = TypeVar("Table")


def shipped_table(package: str | None, name: str, kind: type[Table]) -> Table:
    """The table in the file ``name`` of ``package``. An invalid one is a bug."""
    text = resources.files(str(package)).joinpath(name).read_text(encoding="utf-8")
    return TypeAdapter(kind).validate_python(tomllib.loads(text))


def read_table(path: Path, kind: type[Table]) -> Table:
    """The table in a file of the user; raises UsageError that names all its faults."""
    return parse_table(read_table_text(path), str(path), kind)


def read_table_text(path: Path) -> str:
    """The text of a TOML file of the user; raises UsageError where it cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_TABLE_BYTES + 1)
        text = content.decode("utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8, so it is not TOML.") from error
    if len(content) > _MAX_TABLE_BYTES:
        raise UsageError(f"{path}: larger than {_MAX_TABLE_BYTES} bytes, which no table is.")
    return text


def parse_table(text: str, location: str, kind: type[Table]) -> Table:
    """The table in TOML ``text``; raises UsageError that names all its faults."""
    try:
        return TypeAdapter(kind).validate_python(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{location}: not TOML: {error}.") from error
    except ValidationError as error:
        raise UsageError(f"{location}: {validation_faults(error)}.") from error

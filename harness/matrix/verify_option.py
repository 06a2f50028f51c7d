"""The option of ``harness verify`` for a field: declared with the field, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints


@dataclass(frozen=True, slots=True)
class VerifyOption:
    """The option of ``harness verify`` that passes a field, as its annotation.

    None and False are not passed, and True needs no value; ``for_false`` is an option that stands
    for False instead. A tuple repeats the option for each value.
    """

    name: str
    for_false: bool = False

    def words(self, value: object) -> Iterator[str]:
        """Yield the words of a command line that pass ``value``."""
        if isinstance(value, bool):
            if value is not self.for_false:
                yield self.name
        elif isinstance(value, tuple):
            for row in value:
                yield from self.words(row)
        elif value is not None:
            yield from (self.name, _spelled(value))


def _spelled(value: object) -> str:
    if isinstance(value, Path):
        return str(value.absolute())
    return f"{value:g}" if isinstance(value, float) else str(value)


def verify_options(kind: type) -> dict[str, VerifyOption]:
    """Return the fields of a class that are passed to ``harness verify``, with their options."""
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True)
    return {
        name: option
        for name, hint in hints.items()
        for option in getattr(hint, "__metadata__", ())
        if isinstance(option, VerifyOption)
    }


def verify_words(row: object) -> Iterator[str]:
    """Yield the words of a command line that pass the fields of ``row``."""
    for name, option in verify_options(type(row)).items():
        yield from option.words(getattr(row, name))

"""The actions of a console as rows for the page, with inputs and choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.console.actions import ACTIONS, SWAPS, Action

_EXAMPLES = {
    "keys": "ctrl-alt-f2, ret, f10",
    "text": "query-status",
}


def action_rows(actions: Iterable[Action] = ACTIONS) -> tuple[Mapping[str, Any], ...]:
    """Return a row for each of ``actions``; ``choices`` replace the arguments."""
    return tuple(
        {
            "name": action.name,
            "label": action.label,
            "arguments": [] if action.name == "swap" else [_argument(n) for n in action.arguments],
            "choices": _swaps() if action.name == "swap" else [],
        }
        for action in actions
    )


def _argument(name: str) -> Mapping[str, str]:
    return {"name": name, "example": _EXAMPLES.get(name, "")}


def _swaps() -> list[Mapping[str, Any]]:
    return [
        {"label": f"{what}: {value}", "arguments": {"what": what, "value": value}}
        for what, values in SWAPS.items()
        for value in values
    ]

"""One call of the program: what its end must know of the command that ran."""

from __future__ import annotations

from dataclasses import dataclass

import click


@dataclass(slots=True)
class Invocation:
    """Whether a JSON object is wanted on stdout, and whether one was printed."""

    wants_json: bool = False
    has_json: bool = False


def this_invocation() -> Invocation:
    """The one that runs; a new one where a command was called by something else than main()."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Invocation) if context else None
    return found or Invocation()


def note_json(context: click.Context, _: click.Parameter, wanted: bool) -> bool:
    """Note that ``--json`` was given, as the callback of that option."""
    if wanted and (invocation := context.find_object(Invocation)):
        invocation.wants_json = True
    return wanted

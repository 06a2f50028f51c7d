"""The state of one call of the program that its end must know."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass

import click

from harness.errors import UsageError
from harness.host.program_log import LEVELS, show_log


@dataclass(slots=True)
class Invocation:
    """The output that was requested, and what was printed so far.

    ``verbosity`` counts ``-v``, before the command or after it.
    """

    wants_json: bool = False
    has_json: bool = False
    verbosity: int = 0


def this_invocation() -> Invocation:
    """Return the current invocation; a new one if the command was not called by main()."""
    context = click.get_current_context(silent=True)
    found = context.find_object(Invocation) if context else None
    return found or Invocation()


def note_json(context: click.Context, _: click.Parameter, wanted: bool) -> bool:
    """Note that ``--json`` was given, as the callback of that option."""
    if wanted and (invocation := context.find_object(Invocation)):
        invocation.wants_json = True
    return wanted


def verbose_option() -> click.Option:
    """Return the option ``-v`` of the program and of each command."""
    return click.Option(
        ["-v", "--verbose"],
        count=True,
        is_eager=True,
        expose_value=False,
        callback=_raise_verbosity,
        help="Say on stderr what is done; -vv says all of it (docs/logging.md).",
    )


def show_log_from_environment() -> None:
    """Show the log at the level in ``HARNESS_LOG``; raises UsageError for an unknown level."""
    wanted = os.environ.get("HARNESS_LOG", "")
    if wanted and wanted not in LEVELS:
        raise UsageError(f"HARNESS_LOG={wanted}: is no level: set it to {', '.join(LEVELS)}.")
    if wanted:
        show_log(LEVELS[wanted])


def _raise_verbosity(context: click.Context, _: click.Parameter, count: int) -> None:
    if count and (invocation := context.find_object(Invocation)):
        invocation.verbosity += count
        show_log(logging.DEBUG if invocation.verbosity > 1 else logging.INFO)

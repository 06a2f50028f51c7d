"""How a command ends: what it prints, and its exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click
from rich.console import Console

from harness.errors import FaultError
from harness.examine.image_report import unexamined
from harness.provider.profile import Profile
from harness.report.text import print_result
from harness.trial.case import Case, conclude
from harness.trial.result import Result


@contextmanager
def faults_as_result(location: str, profile: Profile, *, as_json: bool) -> Iterator[None]:
    """Print a fault in the block as a result object, too, where one is asked for."""
    try:
        yield
    except FaultError as error:
        if as_json:
            case = Case(unexamined(location), profile, "network", False, None, None, None)
            click.echo(conclude(case, lambda _: None, error).to_json())
        raise


def finish(result: Result, *, as_json: bool, signal_number: int = 0) -> NoReturn:
    """Print the result where it belongs, and leave with its exit status."""
    if as_json:
        click.echo(result.to_json())
    else:
        print_result(Console(), result)
    sys.exit(128 + signal_number if signal_number else result.exit_status)

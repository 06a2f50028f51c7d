"""The end of a command: its output and its exit status."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import click
from rich.console import Console

from harness.cli.invocation import this_invocation
from harness.errors import CaughtError, FaultError, HarnessError
from harness.host.bugs import as_fault
from harness.report.result_text import print_result
from harness.trial.check import fault_result
from harness.trial.request import TrialRequest
from harness.trial.result import Result


@contextmanager
def faults_as_result(request: TrialRequest, *, as_json: bool) -> Iterator[None]:
    """Print a fault in the block also as a result object, if one was requested.

    An unexpected exception is raised as InternalError.
    """
    try:
        yield
    except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
        raise
    except Exception as error:
        if isinstance(error, HarnessError) and not isinstance(error, (FaultError, CaughtError)):
            raise
        fault = as_fault(error)
        if as_json:
            click.echo(fault_result(request, fault).to_json())
            this_invocation().has_json = True
        raise fault from error


def finish(result: Result, *, as_json: bool, signal_number: int = 0) -> NoReturn:
    """Print the result, and exit with its status."""
    if as_json:
        click.echo(result.to_json())
    else:
        print_result(Console(), result)
    sys.exit(128 + signal_number if signal_number else result.exit_status)

"""The command line: find the command, and map every end to one of the exit statuses.

A command is imported on use, so that a check does not load the modules that boot.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import sys
from importlib import import_module
from typing import NoReturn

import click

from harness import __version__
from harness.cli.invocation import Invocation, show_log_from_environment, verbose_option
from harness.errors import CaughtError, HarnessError, InternalError
from harness.host.bugs import as_fault
from harness.host.program_log import hide_log

_log = logging.getLogger(__name__)

# Each is a function in a module of the same name.
_COMMANDS = (
    "check",
    "console",
    "doctor",
    "explain",
    "matrix",
    "providers",
    "replay",
    "report",
    "verify",
)


class _Commands(click.Group):
    """The commands, each imported on use."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's
        """Return their names in alphabetical order."""
        return sorted(_COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002  click's
        cmd_name: str,
    ) -> click.Command | None:
        """Return the command of that name; None if missing."""
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"harness.cli.{cmd_name}"), cmd_name)
        if all(parameter.name != "verbose" for parameter in command.params):
            command.params.append(verbose_option())
        return command


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Say whether a cloud will boot your image, before you upload it."""
    show_log_from_environment()
    _log.debug("harness %s: %s", __version__, shlex.join(sys.argv))


cli.params.append(verbose_option())


class _TerminationSignal(BaseException):
    """SIGTERM came while no machine was running."""


def _on_sigterm(*_: object) -> NoReturn:
    raise _TerminationSignal


def main() -> NoReturn:
    """Run the program. It always ends with one of the documented exit statuses."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    invocation = Invocation()
    try:
        cli.main(prog_name="harness", standalone_mode=False, obj=invocation)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: interrupted", err=True)
        sys.exit(128 + signal.SIGINT)
    except _TerminationSignal:
        click.echo("harness: terminated", err=True)
        sys.exit(128 + signal.SIGTERM)
    except BrokenPipeError:
        # The reader of stdout is gone, so there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    except Exception as error:
        sys.exit(_report_error(error, invocation))
    finally:
        hide_log()
    sys.exit(0)


def _report_error(error: Exception, invocation: Invocation) -> int:
    """Print ``error`` and return its exit status; an unexpected exception is an internal error."""
    shown: HarnessError
    if isinstance(error, HarnessError) and not isinstance(error, CaughtError):
        shown = error
    else:
        shown = as_fault(error)
    _print_error(shown)
    if isinstance(shown, InternalError) and invocation.wants_json and not invocation.has_json:
        row = {
            "schema": "harness.error/1",
            "outcome": "error",
            "cause": shown.finding_id,
            "statement": str(shown),
            "traceback_file": shown.traceback_file or None,
        }
        click.echo(json.dumps(row, indent=2))
    return shown.exit_status


def _print_error(error: HarnessError) -> None:
    """Print one sentence, and the remedy where one is known."""
    click.echo(f"harness: {error}", err=True)
    remedy = getattr(error, "remedy", "")
    if remedy:
        click.echo(f"  \u2192 {remedy}", err=True)

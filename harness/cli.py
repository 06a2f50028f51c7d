"""The command line: reads words, calls the rooms, prints. Nothing is decided here.

A command imports what only it needs where it begins, so that a check does not wait for the parts
that boot.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NoReturn, TypeVar

import click
from rich.console import Console
from rich.text import Text

from harness import __version__
from harness.case import Case, conclude
from harness.diagnose.rules import read_rules
from harness.diagnose.stages import Until
from harness.errors import HarnessError, HostError, UsageError
from harness.examine import ImageFacts, examine, fetch, unexamined
from harness.image.checksums import Checksum
from harness.image.link import is_url
from harness.options import ACCEL, BACKEND, CONNECT, COUNTERFACTUAL, JSON, RULES, with_profile
from harness.provider.profile import Profile, load_profile, shipped_profiles
from harness.report.text import print_result
from harness.result import Result, replay
from harness.run_folder import new_run_dir

if TYPE_CHECKING:
    from harness.installation import Installation
    from harness.machine.acceleration import Acceleration, Choice
    from harness.machine.backend import Backend, BackendName

Command = TypeVar("Command", bound=Callable[..., Any])

_RUN_DIR = click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Where the evidence goes.  [default: a new folder under ~/.local/state/harness/runs]",
)
_STRICT = click.option("--strict", is_flag=True, help="A warning is a fail.")
_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class _Commands(click.Group):
    """The commands here, and those with a module of their own, which is imported when it is asked.

    That of the matrix takes as long to import as all of a check.
    """

    _elsewhere: ClassVar[dict[str, str]] = {
        "matrix": "harness.matrix_command",
        "providers": "harness.providers_command",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of the alphabet."""
        return sorted([*super().list_commands(ctx), *self._elsewhere])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name; None where there is none."""
        if module := self._elsewhere.get(cmd_name):
            command: click.Command = getattr(import_module(module), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="harness")
def cli() -> None:
    """Say whether a cloud will boot your image, before you upload it."""


def _run_options(command: Command) -> Command:
    """The options of every command that boots."""
    options = [
        with_profile,
        ACCEL,
        BACKEND,
        CONNECT,
        click.option(
            "--until",
            type=click.Choice(["network", "seed", "ready"]),
            default="network",
            show_default=True,
            help="How far a boot must come: the network proved, the seed's call back, the end of "
            "cloud-init.",
        ),
        _RUN_DIR,
        click.option(
            "--timeout",
            "timeout_s",
            type=click.FloatRange(min=1),
            metavar="SECONDS",
            help="Give up after this long.  [default: 20 minutes, more on a slow host]",
        ),
        click.option(
            "--silence",
            "silence_s",
            type=click.FloatRange(min=1),
            metavar="SECONDS",
            help="Call the guest hung after this long without a sign of life.  [default: 150, "
            "more on a slow host]",
        ),
        COUNTERFACTUAL,
        RULES,
        _STRICT,
        JSON,
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _sha256(_: click.Context, __: click.Parameter, value: str | None) -> str | None:
    if value is not None and not _SHA256.fullmatch(value):
        raise click.BadParameter("a SHA-256 is 64 hexadecimal digits.")
    return value


@cli.command()
@click.argument("image", metavar="IMAGE_OR_URL")
@click.option(
    "--sha256",
    callback=_sha256,
    metavar="HEX",
    help="What a download must be.  [default: what SHA256SUMS beside it says, if there is one]",
)
@click.option(
    "--checksums",
    metavar="URL_OR_NAME",
    help="The checksum file to hold a download against, by its link, or its name beside the image.",
)
@click.option(
    "--install",
    is_flag=True,
    help="Of an installer's disc: run an installation to its end with answers of harness, and boot "
    "what it installed (docs/install.md).",
)
@click.option(
    "--answers",
    "own_answers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For --install: your own preseed, autoinstall, kickstart... in place of that of harness.",
)
@click.option(
    "--archive",
    metavar="URL",
    help="For --install: a package archive that the guest may read, at http://203.0.113.2/archive.",
)
@click.option(
    "--hold-on-fail",
    is_flag=True,
    help="Freeze the machine where it fails, and open the console on it (docs/console.md).",
)
@click.option(
    "--all-providers",
    is_flag=True,
    help="Try it at every provider that is known, and at that of --provider-file: a table. What "
    "would be the same boot is booted once.",
)
@_run_options
def verify(
    image: str,
    sha256: str | None,
    checksums: str | None,
    install: bool,
    own_answers: Path | None,
    archive: str | None,
    hold_on_fail: bool,
    all_providers: bool,
    profile: Profile,
    accel: Literal["auto", "kvm", "tcg"],
    backend_name: BackendName,
    connect: str | None,
    until: Until,
    run_dir: Path | None,
    timeout_s: float | None,
    silence_s: float | None,
    counterfactual: bool,
    rules: tuple[Path, ...],
    strict: bool,
    as_json: bool,
) -> None:
    """Boot IMAGE in the provider's machine and say whether it reaches the network.

    Of an installer's disc: whether the installer runs, finds its disk and uses the NIC. A link is
    looked at first, and downloaded only if nothing speaks against it.
    """
    from harness.machine.backend import choose_backend
    from harness.report.live import Progress
    from harness.report.transfer import Transfer
    from harness.run import boot

    backend = choose_backend(backend_name, connect)
    if backend.is_remote and profile.machine.tpm.value:
        raise UsageError(
            f"--connect {backend.uri}: the TPM of {profile.name} is emulated on this host: it "
            "cannot be tried on another."
        )
    if backend.name == "libvirt" and (install or hold_on_fail or all_providers):
        raise UsageError(
            "--backend libvirt: goes with none of --install, --hold-on-fail and --all-providers."
        )

    if hold_on_fail:
        from harness.console.opening import check_terminal

        if install:
            raise UsageError("--hold-on-fail and --install: give one of them.")
        check_terminal("--hold-on-fail")
    expected = _expected(image, sha256, checksums)
    own_rules = read_rules(rules)
    if all_providers:
        if install or hold_on_fail:
            raise UsageError("--all-providers: goes with neither --install nor --hold-on-fail.")
        blank = Case(
            unexamined(image),
            profile,
            until,
            strict,
            silence_s,
            timeout_s,
            run_dir,
            own_rules,
            counterfactual,
        )
        _verify_everywhere(image, expected, blank, accel, as_json=as_json)
    with _faults_as_result(image, profile, as_json=as_json):
        # Of a link only what says whether it is worth a download.
        facts = examine(image, profile, inside=not is_url(image))
    if facts.medium == "disc" and until != "network":
        raise UsageError(f"--until {until}: is for a disk image; a disc's installer reads no seed.")
    if (own_answers or archive) and not install:
        raise UsageError("--answers and --archive are for an installation: add --install.")
    installation = _plan(facts, own_answers, archive) if install and facts.passes else None
    with _faults_as_result(image, profile, as_json=as_json):
        if facts.passes and facts.path is None:
            with Transfer(Console(stderr=True)) as transfer:
                facts = fetch(facts, image, profile, transfer, expected)
        acceleration = _acceleration(backend, accel) if facts.passes else None
    if installation and facts.passes:
        from harness.installation import check_disc

        check_disc(installation, facts.file)
    case = Case(
        image=facts,
        profile=profile,
        until="rebooted" if installation else until,
        strict=strict,
        silence_s=silence_s,
        timeout_s=timeout_s,
        run_dir=run_dir or new_run_dir(facts.location),
        rules=own_rules,
        counterfactual=counterfactual,
        installation=installation,
        backend=backend,
    )
    with Progress(Console(stderr=True)) as progress:
        if acceleration and hold_on_fail:
            from harness.console.opening import hold_on_fail as boot_and_hold

            result = boot_and_hold(case, acceleration, progress)
        elif acceleration:
            result = asyncio.run(boot(case, acceleration, progress))
        else:
            result = conclude(case, progress)
    _finish(result, as_json=as_json, signal_number=progress.signal_number)


@cli.command("console")
@click.argument("target", metavar="IMAGE_OR_URL_OR_RUN")
@with_profile
@ACCEL
@_RUN_DIR
@click.option("--web", is_flag=True, help="Serve it to a browser, by a link that opens once.")
@click.option(
    "--web-bind",
    metavar="ADDRESS",
    help="The address to serve it at.  [default: 127.0.0.1, for this machine alone]",
)
def console_command(
    target: str,
    profile: Profile,
    accel: Literal["auto", "kvm", "tcg"],
    run_dir: Path | None,
    web: bool,
    web_bind: str | None,
) -> None:
    """Sit at the machine of an image; or see a recorded RUN again, and what was drawn from it.

    The same machine and seed as of harness verify, with a keyboard (docs/console.md).
    """
    from harness.console.opening import check_terminal, is_run, open_console, open_replay

    address = _web_address(web_bind) if web else None
    if address is None:
        if web_bind:
            raise UsageError("--web-bind: is for --web.")
        check_terminal("harness console")
    if is_run(target):
        if address:
            from harness.console.web.serve import serve_run

            serve_run(Path(target), address, click.echo)
        else:
            open_replay(Path(target))
        return
    from harness.machine.acceleration import choose_acceleration
    from harness.report.transfer import Transfer

    facts = examine(target, profile, inside=not is_url(target))
    if facts.passes and facts.path is None:
        with Transfer(Console(stderr=True)) as transfer:
            facts = fetch(facts, target, profile, transfer, None)
    folder = run_dir or new_run_dir(facts.location)
    case = Case(facts, profile, "network", False, None, None, folder, counterfactual=False)
    if not facts.passes:
        _finish(conclude(case, lambda _: None), as_json=False)
    if address:
        from harness.console.web.serve import serve_machine

        serve_machine(case, choose_acceleration(accel), address, click.echo)
    else:
        open_console(case, choose_acceleration(accel))


def _web_address(wished: str | None) -> str:
    """Where a page is served; raises UsageError for no such address, or without the page."""
    from harness.console.web.serve import check_web

    return check_web(wished or "127.0.0.1")


def _acceleration(backend: Backend, accel: Choice) -> Acceleration:
    """The accelerator of the host that the machine runs on."""
    if backend.is_remote:
        from harness.machine.libvirt_remote import remote_acceleration

        return remote_acceleration(backend.uri, accel)
    from harness.machine.acceleration import choose_acceleration

    return choose_acceleration(accel)


def _verify_everywhere(
    image: str,
    expected: Checksum | str | None,
    blank: Case,
    accel: Literal["auto", "kvm", "tcg"],
    *,
    as_json: bool,
) -> NoReturn:
    """Try the image at every provider as ``blank`` says, print the table, and leave."""
    from harness.every_provider import as_json as everywhere_as_json
    from harness.every_provider import exit_status, try_everywhere
    from harness.machine.acceleration import choose_acceleration
    from harness.report.everywhere import print_everywhere
    from harness.report.live import Progress
    from harness.report.transfer import Transfer

    base = blank.run_dir or new_run_dir(image)
    profiles = [load_profile(name) for name in shipped_profiles()]
    if blank.profile.name not in shipped_profiles():
        profiles.append(blank.profile)

    def case_of(profile: Profile) -> Case:
        progress.title(profile.title)
        facts = examine(image, profile, inside=not is_url(image))
        if facts.medium == "disc" and blank.until != "network":
            raise UsageError(f"--until {blank.until}: is for a disk image.")
        if facts.passes and facts.path is None:
            with Transfer(Console(stderr=True)) as transfer:
                facts = fetch(facts, image, profile, transfer, expected)
        return replace(blank, image=facts, profile=profile, run_dir=base / profile.name)

    with Progress(Console(stderr=True)) as progress:
        acceleration = cache(lambda: choose_acceleration(accel))
        rows = try_everywhere(profiles, case_of, acceleration, progress, lambda _: None)
    if as_json:
        click.echo(everywhere_as_json(rows))
    else:
        print_everywhere(Console(), image, rows)
    sys.exit(exit_status(rows))


def _expected(image: str, sha256: str | None, checksums: str | None) -> Checksum | str | None:
    """What a download must be, or the checksum file that says it; None where nothing was given.

    Raises UsageError where that cannot be meant.
    """
    if (sha256 or checksums) and not is_url(image):
        option = "--sha256" if sha256 else "--checksums"
        raise UsageError(f"{option}: is for a link; sha256sum checks a file.")
    if sha256 and checksums:
        raise UsageError("--sha256 and --checksums: give one of them.")
    return Checksum("sha256", sha256.lower(), "--sha256") if sha256 else checksums


def _plan(facts: ImageFacts, own_answers: Path | None, archive: str | None) -> Installation:
    """The installation that is asked for; raises UsageError where there is none of this image."""
    from harness.answers.answers import user_answers
    from harness.installation import plan_installation

    own = user_answers(own_answers) if own_answers else None
    return plan_installation(facts.location, facts.disc, own, archive)


@cli.command()
@click.argument("image", metavar="IMAGE_OR_URL")
@with_profile
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path),
    help="Keep what was found there, for harness replay.  [default: nothing is kept]",
)
@click.option(
    "--inside/--no-inside",
    default=True,
    help="Look at the system on the disk, too, and predict its boot.  [default: inside]",
)
@_STRICT
@JSON
def check(
    image: str,
    profile: Profile,
    run_dir: Path | None,
    inside: bool,
    strict: bool,
    as_json: bool,
) -> None:
    """Look at IMAGE without booting it: what it is, what is in it, what speaks against it.

    Of a link only what is needed is fetched: with --no-inside, less than a megabyte.
    """
    with _faults_as_result(image, profile, as_json=as_json):
        facts = examine(image, profile, inside=inside)
    case = Case(facts, profile, "network", strict, None, None, run_dir)
    _finish(conclude(case, lambda _: None), as_json=as_json)


@cli.command("explain")
@click.argument("finding_id", metavar="[ID]", required=False)
@click.option("--markdown", "as_markdown", is_flag=True, help="All of it, as a page.")
def explain_command(finding_id: str | None, as_markdown: bool) -> None:
    """Say what the finding ID means, how it is seen and what mends it; without ID, list all."""
    from harness.explain import explain, groups, markdown
    from harness.report.explanation import print_catalog, print_explanation

    if as_markdown:
        click.echo(markdown(), nl=False)
    elif finding_id:
        print_explanation(Console(), finding_id, explain(finding_id))
    else:
        print_catalog(Console(), groups())


@cli.command("replay")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@click.option(
    "--serial",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge a console log from anywhere, in place of a run.",
)
@click.option(
    "--screen",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Judge a screenshot (PNG or PPM) from anywhere, in place of a run.",
)
@RULES
@JSON
def replay_command(
    run: Path | None,
    serial: Path | None,
    screen: Path | None,
    rules: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Judge the recorded RUN again, from its evidence alone; or a console from any cloud."""
    from harness.console_log import judge_console_log, judge_screen

    own = read_rules(rules)
    if [run, serial, screen].count(None) != 2:
        raise UsageError(
            "replay: name one of: the folder of a run, a console log with --serial, a screenshot "
            "with --screen."
        )
    if run:
        result = replay(run, own)
    elif serial:
        result = judge_console_log(serial, own)
    elif screen:
        result = judge_screen(screen, own)
    _finish(result, as_json=as_json)


@cli.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="One page.")
@click.option("--junit", type=click.Path(path_type=Path), metavar="FILE", help="XML for a CI.")
@click.option("--markdown", type=click.Path(path_type=Path), metavar="FILE", help="A summary.")
@click.option("--json", type=click.Path(path_type=Path), metavar="FILE", help="The matrix object.")
def report_command(runs: tuple[Path, ...], **files: Path | None) -> None:
    """Report on recorded RUNs: folders of single runs, or of matrices.

    FILE may be - for stdout. Without an option, a summary is printed. Where GitHub Actions asks for
    a summary and annotations, it gets them.
    """
    from harness.report.files import write_reports
    from harness.report.gather import gather
    from harness.report.github import for_github
    from harness.report.matrix_text import print_matrix

    targets = {kind: path for kind, path in files.items() if path}
    if list(targets.values()).count(Path("-")) > 1:
        raise UsageError("report: only one FILE can be stdout (-).")
    matrix, folder = gather(runs)
    write_reports(matrix, folder, targets)
    if not targets:
        print_matrix(Console(), matrix, all_rows=True)
    for line in for_github(matrix, os.environ):
        click.echo(line, err=Path("-") in targets.values())


@cli.command()
def doctor() -> None:
    """Say what this host can do, and what to install."""
    from rich.table import Table

    from harness.doctor import examine_host, install_command

    console = Console()
    checks = examine_host()
    table = Table.grid(padding=(0, 2))
    marks = {"ok": ("\u2713", "green"), "missing": ("\u2717", "red"), "note": ("i", "cyan")}
    for check in checks:
        table.add_row(Text(*marks[check.state]), check.name, Text(check.detail))
    console.print(table)
    command = install_command(checks)
    if command:
        console.print(Text.assemble("\nInstall what is missing (Debian, Ubuntu):\n  ", command))
    if any(check.state == "missing" for check in checks):
        sys.exit(HostError.exit_status)


@contextmanager
def _faults_as_result(location: str, profile: Profile, *, as_json: bool) -> Iterator[None]:
    """Print a fault of the host in the block as a result object, too, where one is asked for."""
    try:
        yield
    except HostError as error:
        if as_json:
            case = Case(unexamined(location), profile, "network", False, None, None, None)
            click.echo(conclude(case, lambda _: None, error).to_json())
        raise


def _finish(result: Result, *, as_json: bool, signal_number: int = 0) -> NoReturn:
    """Print the result where it belongs, and leave with its exit status."""
    if as_json:
        click.echo(result.to_json())
    else:
        print_result(Console(), result)
    sys.exit(128 + signal_number if signal_number else result.exit_status)


class _Terminated(BaseException):
    """SIGTERM came while no machine was running."""


def _on_sigterm(*_: object) -> NoReturn:
    raise _Terminated


def main() -> NoReturn:
    """The program. Every way out of it is one of the documented exit statuses."""
    signal.signal(signal.SIGTERM, _on_sigterm)
    try:
        cli.main(prog_name="harness", standalone_mode=False)
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except HarnessError as error:
        _complain(error)
        sys.exit(error.exit_status)
    except (KeyboardInterrupt, click.Abort):
        click.echo("harness: interrupted", err=True)
        sys.exit(128 + signal.SIGINT)
    except _Terminated:
        click.echo("harness: terminated", err=True)
        sys.exit(128 + signal.SIGTERM)
    except BrokenPipeError:
        # Whoever read our output has left; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(128 + signal.SIGPIPE)
    sys.exit(0)


def _complain(error: HarnessError) -> None:
    """One sentence, and what to do where that is known."""
    click.echo(f"harness: {error}", err=True)
    remedy = getattr(error, "remedy", "")
    if remedy:
        click.echo(f"  \u2192 {remedy}", err=True)

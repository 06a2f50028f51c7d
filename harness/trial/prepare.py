"""Preparing a trial: the image is examined, and downloaded if the provider accepts it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace

from harness.errors import UsageError
from harness.examine.image_report import ImageFacts, examine, fetch
from harness.installer.answers import read_user_answers
from harness.installer.plan import Installation, check_installer_kernel, plan_installation
from harness.machine.acceleration import Acceleration
from harness.machine.launch import choose_acceleration_on
from harness.net.link import is_url
from harness.trial.request import Case, InstallationRequest, TrialRequest, case_of
from harness.trial.run_folder import new_run_dir

ShowProgress = Callable[[int, int | None], None]
"""A function that is called with the bytes received and the total; None for an unknown total."""
Fetching = Callable[[], AbstractContextManager[ShowProgress]]
"""A function that opens the display of a download."""


@contextmanager
def fetching_silently() -> Iterator[ShowProgress]:
    """Show nothing of a download."""
    yield lambda _received_bytes, _total_bytes: None


def prepare(request: TrialRequest, fetching: Fetching = fetching_silently) -> Case:
    """Return the case of ``request``; its image is on this host if the provider accepts it.

    Raises UsageError for a request that does not fit the image, and HostError if this host cannot
    read it.
    """
    # Of a link, only the parts that tell whether it is worth a download.
    facts = examine(request.location, request.profile, inside=not is_url(request.location))
    _check_until(request, facts)
    asked = request.installation
    installation = _plan(asked, facts) if asked and facts.passes else None
    if facts.passes and facts.path is None:
        with fetching() as show:
            facts = fetch(facts, request.location, request.profile, show, request.expected)
    if installation and facts.passes:
        check_installer_kernel(installation, facts.file)
    case = case_of(request, facts, request.run_dir or new_run_dir(facts.location))
    if installation is None:
        return case
    return replace(case, installation=installation, until="rebooted")


def acceleration_for(request: TrialRequest) -> Acceleration:
    """Return the acceleration for the machine of ``request``: KVM, or emulation.

    Raises HostError if its host cannot do what is asked for.
    """
    return choose_acceleration_on(request.backend, request.accel)


def _check_until(request: TrialRequest, facts: ImageFacts) -> None:
    if facts.medium == "iso" and request.until != "network":
        raise UsageError(
            f"--until {request.until}: is for a disk image; a disc's installer reads no seed."
        )


def _plan(asked: InstallationRequest, facts: ImageFacts) -> Installation:
    """Return the installation that is asked for; raises UsageError if the image has none."""
    own = read_user_answers(asked.own_answers) if asked.own_answers else None
    return plan_installation(facts.location, facts.iso, own, asked.archive)

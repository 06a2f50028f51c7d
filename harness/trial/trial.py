"""A trial: one image, the machine of one provider, one result."""

from __future__ import annotations

import asyncio

from harness.errors import FaultError
from harness.examine.image_report import examine, unexamined_facts
from harness.provider.profile import DEFAULT, load_profile
from harness.trial.plan import boot_case
from harness.trial.prepare import Fetching, acceleration_for, fetching_silently, prepare
from harness.trial.recorder import Listener, conclude, unheard
from harness.trial.request import TrialRequest, case_of
from harness.trial.result import Result


def try_image(
    request: TrialRequest,
    listener: Listener = unheard,
    fetching: Fetching = fetching_silently,
) -> Result:
    """Examine the image, boot it where the provider takes it, and return the result.

    ``listener`` is told each event of the run. Raises UsageError for what cannot be meant of such
    an image, and HostError where this host cannot begin. Blocks until there is a verdict.
    """
    case = prepare(request, fetching)
    if not case.image.passes:
        return conclude(case, listener)
    acceleration = acceleration_for(request)
    return asyncio.run(boot_case(case, acceleration, listener))


def check_image(request: TrialRequest, *, inside: bool = True) -> Result:
    """Examine the image without a boot and return the result.

    Nothing is kept where the request has no run folder. With ``inside``, the system in the image is
    looked at, too. Raises UsageError for what is no image, HostError where it cannot be read.
    """
    facts = examine(request.location, request.profile, inside=inside)
    return conclude(case_of(request, facts, request.run_dir))


def default_request(location: str) -> TrialRequest:
    """Return the request for ``location`` at the provider that is meant where none is named."""
    return TrialRequest(location=location, profile=load_profile(DEFAULT))


def fault_result(request: TrialRequest, error: FaultError) -> Result:
    """Return the result of an image that could not be examined: nothing is said about it."""
    return conclude(case_of(request, unexamined_facts(request.location), None), fault=error)

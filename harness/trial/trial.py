"""A trial: one image, the machine of one provider, one result."""

from __future__ import annotations

import asyncio

from harness.errors import FaultError
from harness.examine.image_report import examine, unexamined_facts
from harness.provider.profile import DEFAULT, load_profile
from harness.trial.plan import boot_case
from harness.trial.prepare import Fetching, acceleration_for, fetching_silently, prepare
from harness.trial.recorder import Listener, conclude, ignore_events
from harness.trial.request import TrialRequest, case_of
from harness.trial.result import Result


def try_image(
    request: TrialRequest,
    listener: Listener = ignore_events,
    fetching: Fetching = fetching_silently,
) -> Result:
    """Examine the image, boot it if the provider accepts it, and return the result.

    ``listener`` is called with each event of the run. Raises UsageError for a request that does not
    fit the image, and HostError if this host cannot begin. Blocks until there is a verdict.
    """
    case = prepare(request, fetching)
    if not case.image.passes:
        return conclude(case, listener)
    acceleration = acceleration_for(request)
    return asyncio.run(boot_case(case, acceleration, listener))


def check_image(request: TrialRequest, *, inside: bool = True) -> Result:
    """Examine the image without a boot and return the result.

    Nothing is kept if the request has no run folder. With ``inside``, the system in the image is
    inspected, too. Raises UsageError for a file that is no image, HostError for an unreadable one.
    """
    facts = examine(request.location, request.profile, inside=inside)
    return conclude(case_of(request, facts, request.run_dir))


def default_request(location: str) -> TrialRequest:
    """Return the request for ``location`` at the default provider."""
    return TrialRequest(location=location, profile=load_profile(DEFAULT))


def fault_result(request: TrialRequest, error: FaultError) -> Result:
    """Return the result of an image that could not be examined: an error, without a verdict."""
    return conclude(case_of(request, unexamined_facts(request.location), None), fault=error)

"""A trial: one image, the machine of one provider, one result."""

from __future__ import annotations

import asyncio

from harness.trial.plan import boot_case
from harness.trial.prepare import Fetching, acceleration_for, fetching_silently, prepare
from harness.trial.recorder import Listener, conclude, ignore_events
from harness.trial.request import TrialRequest
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

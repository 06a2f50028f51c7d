"""A trial without a boot: the image is examined, and its findings are the result.

Nothing that boots a machine is imported here, so that a check starts fast.
"""

from __future__ import annotations

from harness.errors import FaultError
from harness.examine.image_report import examine, unexamined_facts
from harness.provider.profile import DEFAULT, load_profile
from harness.trial.recorder import conclude
from harness.trial.request import TrialRequest, case_of
from harness.trial.result import Result


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

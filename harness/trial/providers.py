"""One image at many providers: each is checked, and equal machines are booted only once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from harness.errors import FaultError, InterruptedRunError, UsageError
from harness.evidence.events import CheckFinding, OwnRules, RunStart, SameBoot
from harness.evidence.log import read_evidence
from harness.machine.acceleration import Acceleration
from harness.provider.profile import Profile, load_profile, shipped_profiles
from harness.trial.plan import boot_case
from harness.trial.prepare import Fetching, acceleration_for, fetching_silently, prepare
from harness.trial.recorder import (
    BootStart,
    Listener,
    Recorder,
    conclude,
    ignore_events,
    open_log,
    opening_events,
    with_seed,
)
from harness.trial.request import Case, TrialRequest
from harness.trial.result import EVIDENCE_FILE, Result
from harness.trial.run_folder import new_run_dir

# Settings of a machine that a guest cannot see, or that every run chooses at random.
_INVISIBLE = frozenset({"mac_prefix"})
# The events that differ for each case; all other events of a boot hold for another profile, too.
_CASE_EVENTS = (RunStart, OwnRules, CheckFinding)


@dataclass(frozen=True, slots=True)
class ProviderResult:
    """The result of an image at one provider.

    ``result`` is None if it was not tried, and ``not_tried`` is the reason. ``same_as`` names the
    provider whose boot also stands for this one; "" if this one had its own boot.
    """

    provider: str
    result: Result | None
    same_as: str = ""
    not_tried: str = ""


def guest_visible_settings(profile: Profile) -> str:
    """Return a key of the hardware, the seed and the network: equal keys, equal boots."""
    machine = profile.machine.model_dump(mode="json")
    seen = {name: claim["value"] for name, claim in machine.items() if name not in _INVISIBLE}
    seed = (profile.seed.form.value, profile.seed.ssh_key.value)
    return json.dumps([seen, *seed, profile.network.addressing.value], sort_keys=True)


def requests_for_providers(request: TrialRequest) -> list[TrialRequest]:
    """Return ``request`` for every shipped provider, and for its own profile if that is another.

    Each run has its own folder, named after the provider.
    """
    base = request.run_dir or new_run_dir(request.location)
    profiles = [load_profile(name) for name in shipped_profiles()]
    if request.profile.name not in shipped_profiles():
        profiles.append(request.profile)
    return [replace(request, profile=profile, run_dir=base / profile.name) for profile in profiles]


def try_at_providers(
    requests: Sequence[TrialRequest],
    listener: Listener = ignore_events,
    fetching: Fetching = fetching_silently,
    begin: Callable[[Profile], None] = lambda _: None,
) -> list[ProviderResult]:
    """Try one image at many providers: each of ``requests`` is for another one, in their order.

    ``begin`` is called with each provider before its trial. Ends early if the run is interrupted.
    Raises HostError if this host cannot examine the image at all, UsageError if all providers are
    left out for one reason.
    """
    rows: list[ProviderResult] = []
    booted: dict[str, Case] = {}
    for request in requests:
        begin(request.profile)
        try:
            case = prepare(request, fetching)
        except UsageError as error:
            row = ProviderResult(request.profile.name, None, not_tried=str(error))
        else:
            row = _try(request, case, booted, listener)
        rows.append(row)
        if row.result and row.result.cause == InterruptedRunError.finding_id:
            break
    reasons = {row.not_tried for row in rows}
    if len(reasons) == 1 and "" not in reasons:
        raise UsageError(reasons.pop())
    return rows


def _try(
    request: TrialRequest, case: Case, booted: dict[str, Case], listener: Listener
) -> ProviderResult:
    name = case.profile.name
    if not case.image.passes:
        return ProviderResult(name, conclude(case, listener))
    key = guest_visible_settings(case.profile)
    try:
        acceleration = acceleration_for(request)
        if first := booted.get(key):
            result = judge_again(case, first, acceleration)
            return ProviderResult(name, result, first.profile.name)
        result = asyncio.run(boot_case(case, acceleration, listener))
    except FaultError as error:
        return ProviderResult(name, conclude(case, listener, error))
    if result.outcome != "error":
        booted[key] = case
    return ProviderResult(name, result)


def judge_again(case: Case, booted: Case, acceleration: Acceleration) -> Result:
    """Return the result of ``case`` from the boot of another one with the same machine and seed.

    It has its own record, of the same events; the checks are those of its provider.
    """
    recorded = list(read_evidence(booted.folder / EVIDENCE_FILE))
    seed = next(row.event.seed for row in recorded if isinstance(row.event, RunStart))
    with open_log(case.folder) as log:
        recorder = Recorder(log)
        for event in opening_events(case, BootStart(acceleration=acceleration)):
            log.record(with_seed(event, seed))
        log.record(SameBoot(booted.profile.name, str(booted.folder)))
        for row in recorded:
            if not isinstance(row.event, _CASE_EVENTS):
                log.repeat(row)
        return recorder.write_result(case.folder)


def exit_status(rows: Sequence[ProviderResult]) -> int:
    """Return the exit status of the worst row: fail, then error, then inconclusive."""
    statuses = [row.result.exit_status if row.result else 3 for row in rows]
    return next((status for status in (130, 1, 4, 3) if status in statuses), 0)


def as_json(rows: Sequence[ProviderResult]) -> str:
    """Return all rows as indented JSON, each result as in a single run."""
    found = [
        {
            "provider": row.provider,
            "same_boot_as": row.same_as or None,
            "not_tried": row.not_tried or None,
            "result": json.loads(row.result.to_json()) if row.result else None,
        }
        for row in rows
    ]
    return json.dumps({"schema": "harness.providers/1", "results": found}, indent=2)

"""One image at many providers: each is checked, and a boot that would be the same is made once."""

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
    open_log,
    opening_events,
    unheard,
    with_seed,
)
from harness.trial.request import Case, TrialRequest
from harness.trial.result import EVIDENCE_FILE, Result
from harness.trial.run_folder import new_run_dir

# Of the machine, what a guest cannot tell, or what every run draws anew.
_NOT_SEEN = frozenset({"mac_prefix"})
# What the record of a case has of its own; all else of a boot is the same for another profile.
_OWN = (RunStart, OwnRules, CheckFinding)


@dataclass(frozen=True, slots=True)
class AtProvider:
    """What came of an image at one provider.

    ``result`` is None where it was not tried, and ``not_tried`` says why. ``same_as`` names the
    provider whose machine was booted for this one, too; "" where it had a boot of its own.
    """

    provider: str
    result: Result | None
    same_as: str = ""
    not_tried: str = ""


def what_a_guest_sees(profile: Profile) -> str:
    """The hardware, and the form of the seed and of the network: equal where a boot would be."""
    machine = profile.machine.model_dump(mode="json")
    seen = {name: claim["value"] for name, claim in machine.items() if name not in _NOT_SEEN}
    seed = (profile.seed.form.value, profile.seed.ssh_key.value)
    return json.dumps([seen, *seed, profile.network.addressing.value], sort_keys=True)


def requests_everywhere(request: TrialRequest) -> list[TrialRequest]:
    """Return ``request`` for every provider that ships, and for its own where that is another.

    Each run is in a folder of its own, named after the provider.
    """
    base = request.run_dir or new_run_dir(request.location)
    profiles = [load_profile(name) for name in shipped_profiles()]
    if request.profile.name not in shipped_profiles():
        profiles.append(request.profile)
    return [replace(request, profile=profile, run_dir=base / profile.name) for profile in profiles]


def try_everywhere(
    requests: Sequence[TrialRequest],
    listener: Listener = unheard,
    fetching: Fetching = fetching_silently,
    begin: Callable[[Profile], None] = lambda _: None,
) -> list[AtProvider]:
    """Try one image at many providers: each of ``requests`` is for another one, in their order.

    ``begin`` is told of each provider before it. Ends early where the run is interrupted. Raises
    HostError where this host cannot examine the image at all, UsageError where it is tried at no
    provider, for one reason.
    """
    rows: list[AtProvider] = []
    booted: dict[str, Case] = {}
    for request in requests:
        begin(request.profile)
        try:
            case = prepare(request, fetching)
        except UsageError as error:
            row = AtProvider(request.profile.name, None, not_tried=str(error))
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
) -> AtProvider:
    name = case.profile.name
    if not case.image.passes:
        return AtProvider(name, conclude(case, listener))
    key = what_a_guest_sees(case.profile)
    try:
        acceleration = acceleration_for(request)
        if first := booted.get(key):
            result = judge_again(case, first, acceleration)
            return AtProvider(name, result, first.profile.name)
        result = asyncio.run(boot_case(case, acceleration, listener))
    except FaultError as error:
        return AtProvider(name, conclude(case, listener, error))
    if result.outcome != "error":
        booted[key] = case
    return AtProvider(name, result)


def judge_again(case: Case, booted: Case, acceleration: Acceleration) -> Result:
    """Return the result of ``case`` from the boot of another one with the same machine and seed.

    It has a record of its own, of the same events: the checks are those of its provider.
    """
    recorded = list(read_evidence(booted.folder / EVIDENCE_FILE))
    seed = next(row.event.seed for row in recorded if isinstance(row.event, RunStart))
    with open_log(case.folder) as log:
        recorder = Recorder(log)
        for event in opening_events(case, BootStart(acceleration=acceleration)):
            log.record(with_seed(event, seed))
        log.record(SameBoot(booted.profile.name, str(booted.folder)))
        for row in recorded:
            if not isinstance(row.event, _OWN):
                log.repeat(row)
        return recorder.write_result(case.folder)


def exit_status(rows: Sequence[AtProvider]) -> int:
    """That of the worst: a fail before an error, an error before what nothing proves."""
    statuses = [row.result.exit_status if row.result else 3 for row in rows]
    return next((status for status in (130, 1, 4, 3) if status in statuses), 0)


def as_json(rows: Sequence[AtProvider]) -> str:
    """All of it as indented JSON, each result as that of a single run."""
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

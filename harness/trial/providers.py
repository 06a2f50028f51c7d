"""One image at many providers: each is checked, and a boot that would be the same is made once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harness.errors import FaultError, UsageError
from harness.evidence.log import Subscriber, read_evidence
from harness.machine.acceleration import Acceleration
from harness.provider.profile import Profile
from harness.trial.boots import boot
from harness.trial.case import Case, Recorder, conclude, open_log, start_rows, write_result
from harness.trial.result import EVIDENCE_FILE, Result

# Of the machine, what a guest cannot tell, or what every run draws anew.
_NOT_SEEN = frozenset({"mac_prefix"})
# What the record of a case has of its own; all else of a boot is the same for another profile.
_OWN = frozenset({("run", "start"), ("run", "rules"), ("check", "finding")})


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


def try_everywhere(
    profiles: Sequence[Profile],
    case_of: Callable[[Profile], Case],
    acceleration: Callable[[], Acceleration],
    subscriber: Subscriber,
) -> list[AtProvider]:
    """Try an image at each of ``profiles``, in their order.

    ``case_of`` looks at the image for one of them. Ends early where the run is interrupted. Raises
    HostError where this host cannot try the image at all.
    """
    rows: list[AtProvider] = []
    booted: dict[str, Case] = {}
    for profile in profiles:
        try:
            case = case_of(profile)
        except UsageError as error:
            row = AtProvider(profile.name, None, not_tried=str(error))
        else:
            row = _try(case, booted, acceleration, subscriber)
        rows.append(row)
        if row.result and row.result.cause == "host.interrupted":
            break
    return rows


def _try(
    case: Case,
    booted: dict[str, Case],
    acceleration: Callable[[], Acceleration],
    subscriber: Subscriber,
) -> AtProvider:
    name = case.profile.name
    if not case.image.passes:
        return AtProvider(name, conclude(case, subscriber))
    key = what_a_guest_sees(case.profile)
    if first := booted.get(key):
        return AtProvider(name, judge_again(case, first, acceleration()), first.profile.name)
    try:
        result = asyncio.run(boot(case, acceleration(), subscriber))
    except FaultError as error:
        return AtProvider(name, conclude(case, subscriber, error))
    if result.outcome != "error":
        booted[key] = case
    return AtProvider(name, result)


def judge_again(case: Case, booted: Case, acceleration: Acceleration) -> Result:
    """The result of ``case`` from the boot of another one, whose machine and seed are the same.

    It has a record of its own, of the same observations: the checks are those of its provider.
    """
    recorded = list(read_evidence(booted.folder / EVIDENCE_FILE))
    seed = next(row.data["seed"] for row in recorded if (row.channel, row.kind) == ("run", "start"))
    with open_log(case.folder) as log:
        recorder = Recorder(log)
        for channel, kind, data in start_rows(case, acceleration, None):
            log.record(channel, kind, **({**data, "seed": seed} if kind == "start" else data))
        log.record("run", "same-boot", provider=booted.profile.name, folder=str(booted.folder))
        for row in recorded:
            if (row.channel, row.kind) not in _OWN:
                log.repeat(row)
        return write_result(recorder, case.folder)


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

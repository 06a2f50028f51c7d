"""The differences from the last time, drawn from the results alone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

from harness.matrix.record import CaseRow, NewsItem, PastResult, past_result

Kind = Literal["broken", "flaky", "changed", "fixed", "slower", "faster", "new"]
"""The kinds of news, in the order in which they are shown."""

FLAKY_WITHIN = 10
"""The number of last results, with today's, in which a flaky image has both outcomes."""

# A boot is slower or faster if its time is outside the range of at least so many earlier ones, ...
_LEAST_BOOTS = 5
# ... differs from their median by that factor, and by so many seconds.
_FACTOR = 1.5
_LEAST_S = 10.0

_VERBS = {
    "pass": ("passed", "passes"),
    "fail": ("failed", "fails"),
    "inconclusive": ("was inconclusive", "is inconclusive"),
    "error": ("was not tried", "is not tried"),
}


@dataclass(frozen=True, slots=True)
class _ImageResults:
    """One image: its result now, and its earlier results without errors, oldest first."""

    tried: CaseRow
    now: PastResult
    before: tuple[PastResult, ...]

    @property
    def last(self) -> PastResult:
        return self.before[-1]

    @property
    def has_changed_judgement(self) -> bool:
        """True if the last judgement was the other one."""
        return bool(self.before) and self.last.judgement != self.now.judgement


def news(
    tried: Sequence[CaseRow], past: Mapping[str, Sequence[PastResult]]
) -> tuple[NewsItem, ...]:
    """Return the news; ``past`` has the results of earlier matrices, oldest first.

    There is at most one item for an image: the first of the rules that holds. The worst come first,
    the rest in the order of ``tried``. Faults of a host are not news and are skipped in the past:
    an image is compared with its last result of another judgement than ``error``.
    """
    found = list(_all_news(tried, past))
    return tuple(sorted(found, key=lambda row: get_args(Kind).index(row.kind)))


def _all_news(
    tried: Sequence[CaseRow], past: Mapping[str, Sequence[PastResult]]
) -> Iterator[NewsItem]:
    for row in tried:
        if row.judgement == "error":
            continue
        before = tuple(one for one in past.get(row.name, ()) if one.judgement != "error")
        image = _ImageResults(row, past_result(row, row.started_at), before)
        item = next((found for rule in _RULES if (found := rule(image))), None)
        if item:
            yield item


def _new(image: _ImageResults) -> NewsItem | None:
    if image.before:
        return None
    expected = "as expected" if image.now.judgement == "right" else "not as expected"
    return _news_item(image, "new", f"The first result: {_words(image.now)}, {expected}.")


def _flaky(image: _ImageResults) -> NewsItem | None:
    """Return news of an image with both outcomes, unless only the catalog has changed."""
    if not image.has_changed_judgement or image.now.reused:
        return None
    tried = [row for row in (*image.before, image.now) if not row.reused][-FLAKY_WITHIN:]
    same = [row for row in tried if _is_same_question(row, image.now)]
    right = [row for row in same if row.judgement == "right"]
    if len(right) in (0, len(same)) or len({_outcome(row) for row in same}) == 1:
        return None
    ways = f"right in {len(right)} and wrong in {len(same) - len(right)} of its last {len(same)}"
    other = [row.at for row in same if row.judgement != image.now.judgement]
    return _news_item(
        image,
        "flaky",
        f"The same image comes out both ways: {ways} results; {_words(image.now)} now.",
        other[-1],
    )


def _broken_or_fixed(image: _ImageResults) -> NewsItem | None:
    if not image.has_changed_judgement:
        return None
    kind: Kind = "fixed" if image.now.judgement == "right" else "broken"
    return _news_item(image, kind, _change_words(image), image.last.at)


def _changed(image: _ImageResults) -> NewsItem | None:
    if image.now.judgement != "wrong" or _outcome(image.now) == _outcome(image.last):
        return None
    return _news_item(image, "changed", _change_words(image), image.last.at)


def _pace(image: _ImageResults) -> NewsItem | None:
    """Return news of a boot that is clearly slower or faster than all with the same end."""
    now = image.now
    if now.judgement != "right" or now.reused:
        return None
    alike = [row for row in image.before if _is_same_boot(row, now)]
    if len(alike) < _LEAST_BOOTS:
        return None
    took_s = sorted(row.verdict_s for row in alike)
    low_s, high_s = sorted((median(took_s), now.verdict_s))
    if took_s[0] <= now.verdict_s <= took_s[-1]:
        return None
    if high_s < _FACTOR * low_s or high_s - low_s < _LEAST_S:
        return None
    kind: Kind = "slower" if now.verdict_s > took_s[-1] else "faster"
    statement = (
        f"The boot took {now.verdict_s:.0f} s to its verdict; the {len(alike)} before it took "
        f"{took_s[0]:.0f} to {took_s[-1]:.0f} s."
    )
    return _news_item(image, kind, statement, alike[-1].at)


_Rule = Callable[[_ImageResults], NewsItem | None]
# The first rule that holds is the news; the rules after _new have an earlier result.
_RULES: tuple[_Rule, ...] = (_new, _flaky, _broken_or_fixed, _changed, _pace)


def _news_item(
    image: _ImageResults, kind: Kind, statement: str, since: datetime.datetime | None = None
) -> NewsItem:
    return NewsItem(name=image.tried.name, kind=kind, statement=statement, since=since)


def _outcome(row: PastResult) -> tuple[str, str | None, str | None]:
    """Return the outcome, stage and cause, without regard to the expectation."""
    return row.outcome, row.stage, row.cause


def _is_same_question(row: PastResult, now: PastResult) -> bool:
    """Tell whether both are of the same image and, as far as is known, of the same conditions."""
    keys = {row.reuse_key, now.reuse_key} - {None}
    return row.sha256 is not None and row.sha256 == now.sha256 and len(keys) < 2


def _is_same_boot(row: PastResult, now: PastResult) -> bool:
    """Tell whether the time of the boot ``row`` can be compared with that of ``now``."""
    accels = {row.accel, now.accel} - {None}
    return (
        not row.reused
        and row.judgement == "right"
        and _outcome(row)[:2] == _outcome(now)[:2]
        and len(accels) < 2
    )


def _change_words(image: _ImageResults) -> str:
    """Return the change from the last result to this one, in words."""
    then, now = image.last, image.now
    day = then.at.astimezone(datetime.UTC).date()
    if _outcome(then) == _outcome(now):
        differs = ", ".join(image.tried.differs)
        how = f"no longer as expected: {differs}" if differs else "as expected now"
        return f"{_upper(_words(now))} as on {day}, and is {how}."
    # The same outcome by the same cause differs in its stage.
    staged = (then.outcome, then.cause) == (now.outcome, now.cause)
    was, is_now = _words(then, past=True, staged=staged), _words(now, staged=staged)
    return f"{_upper(was)} until {day}{_verdict_words(then)}; {is_now} since{_verdict_words(now)}."


def _words(row: PastResult, *, past: bool = False, staged: bool = False) -> str:
    """Return the outcome as a verb: "fails with boot.kernel-panic"."""
    cause = f" with {row.cause}" if row.cause else ""
    stage = f" at the stage {row.stage}" if row.stage else " before any boot"
    return f"{_VERBS[row.outcome][0 if past else 1]}{cause}{stage if staged else ''}"


def _verdict_words(row: PastResult) -> str:
    """Return the judgement in words if a pass is wrong or another outcome right; else ""."""
    if (row.outcome == "pass") == (row.judgement == "right"):
        return ""
    return ", as expected" if row.judgement == "right" else ", against what is expected"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]

"""What is different from the last time: a judgement of results alone, which asks for nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal, get_args

from harness.matrix.record import News, Past, Tried, as_past

Kind = Literal["broken", "flaky", "changed", "fixed", "slower", "faster", "new"]
"""The order in which news are told."""

FLAKY_WITHIN = 10
"""Among so many last results, today's with them, one image comes out both ways."""

# A boot takes another time where it is outside all that was seen of at least so many, ...
_LEAST_BOOTS = 5
# ... by that factor from their median, and by so many seconds.
_FACTOR = 1.5
_LEAST_S = 10.0

_VERBS = {
    "pass": ("passed", "passes"),
    "fail": ("failed", "fails"),
    "inconclusive": ("was inconclusive", "is inconclusive"),
    "error": ("was not tried", "is not tried"),
}


@dataclass(frozen=True, slots=True)
class _Image:
    """One image: what came of it now, and its earlier results but for errors, oldest first."""

    tried: Tried
    now: Past
    before: tuple[Past, ...]

    @property
    def last(self) -> Past:
        return self.before[-1]

    @property
    def turned(self) -> bool:
        """Whether it was judged the other way the last time."""
        return bool(self.before) and self.last.judgement != self.now.judgement


def news(tried: Sequence[Tried], past: Mapping[str, Sequence[Past]]) -> tuple[News, ...]:
    """What is different now; ``past`` has the results of earlier matrices, oldest first.

    At most one for an image: the first of the rules that holds. The worst come first, the rest
    in the order of ``tried``. Faults of a host are no news and are passed over in the past: an
    image is held against its last result that says something of it.
    """
    found = list(_all_news(tried, past))
    return tuple(sorted(found, key=lambda row: get_args(Kind).index(row.kind)))


def _all_news(tried: Sequence[Tried], past: Mapping[str, Sequence[Past]]) -> Iterator[News]:
    for row in tried:
        if row.judgement == "error":
            continue
        before = tuple(one for one in past.get(row.name, ()) if one.judgement != "error")
        image = _Image(row, as_past(row, row.started_at), before)
        told = next((said for rule in _RULES if (said := rule(image))), None)
        if told:
            yield told


def _new(image: _Image) -> News | None:
    if image.before:
        return None
    expected = "as expected" if image.now.judgement == "right" else "not as expected"
    return _told(image, "new", f"The first result: {_words(image.now)}, {expected}.")


def _flaky(image: _Image) -> News | None:
    """One image came out both ways; not where the catalog alone says otherwise than before."""
    if not image.turned or image.now.reused:
        return None
    tried = [row for row in (*image.before, image.now) if not row.reused][-FLAKY_WITHIN:]
    same = [row for row in tried if _is_same_question(row, image.now)]
    right = [row for row in same if row.judgement == "right"]
    if len(right) in (0, len(same)) or len({_came(row) for row in same}) == 1:
        return None
    ways = f"right in {len(right)} and wrong in {len(same) - len(right)} of its last {len(same)}"
    other = [row.at for row in same if row.judgement != image.now.judgement]
    return _told(
        image,
        "flaky",
        f"The same image comes out both ways: {ways} results; {_words(image.now)} now.",
        other[-1],
    )


def _broken_or_fixed(image: _Image) -> News | None:
    if not image.turned:
        return None
    kind: Kind = "fixed" if image.now.judgement == "right" else "broken"
    return _told(image, kind, _turn(image), image.last.at)


def _changed(image: _Image) -> News | None:
    if image.now.judgement != "wrong" or _came(image.now) == _came(image.last):
        return None
    return _told(image, "changed", _turn(image), image.last.at)


def _pace(image: _Image) -> News | None:
    """Whether the boot takes clearly longer, or less, than all that ended the same way."""
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
    return _told(image, kind, statement, alike[-1].at)


_Rule = Callable[[_Image], News | None]
# The first that holds is told: those below _new have an earlier result.
_RULES: tuple[_Rule, ...] = (_new, _flaky, _broken_or_fixed, _changed, _pace)


def _told(
    image: _Image, kind: Kind, statement: str, since: datetime.datetime | None = None
) -> News:
    return News(name=image.tried.name, kind=kind, statement=statement, since=since)


def _came(row: Past) -> tuple[str, str | None, str | None]:
    """How it came out, whatever is expected."""
    return row.outcome, row.stage, row.cause


def _is_same_question(row: Past, now: Past) -> bool:
    """The same image, and nothing else changed either as far as that is known."""
    keys = {row.reuse_key, now.reuse_key} - {None}
    return row.sha256 is not None and row.sha256 == now.sha256 and len(keys) < 2


def _is_same_boot(row: Past, now: Past) -> bool:
    """A boot whose time can be held against that of ``now``."""
    accels = {row.accel, now.accel} - {None}
    return (
        not row.reused
        and row.judgement == "right"
        and _came(row)[:2] == _came(now)[:2]
        and len(accels) < 2
    )


def _turn(image: _Image) -> str:
    """From what to what it turned."""
    then, now = image.last, image.now
    day = then.at.astimezone(datetime.UTC).date()
    if _came(then) == _came(now):
        differs = ", ".join(image.tried.differs)
        how = f"no longer as expected: {differs}" if differs else "as expected now"
        return f"{_upper(_words(now))} as on {day}, and is {how}."
    # The same outcome by the same cause differs in its stage.
    staged = (then.outcome, then.cause) == (now.outcome, now.cause)
    was, is_now = _words(then, past=True, staged=staged), _words(now, staged=staged)
    return f"{_upper(was)} until {day}{_odd(then)}; {is_now} since{_odd(now)}."


def _words(row: Past, *, past: bool = False, staged: bool = False) -> str:
    """What came out, as a verb: "fails with boot.kernel-panic"."""
    cause = f" with {row.cause}" if row.cause else ""
    stage = f" at the stage {row.stage}" if row.stage else " before any boot"
    return f"{_VERBS[row.outcome][0 if past else 1]}{cause}{stage if staged else ''}"


def _odd(row: Past) -> str:
    """Said where a pass is wrong, or anything else is right."""
    if (row.outcome == "pass") == (row.judgement == "right"):
        return ""
    return ", as expected" if row.judgement == "right" else ", against what is expected"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]

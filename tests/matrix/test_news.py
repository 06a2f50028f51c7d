"""The news of a matrix: the changes that a person wants to read in the morning, and no others."""

import datetime
import random
from collections.abc import Sequence
from typing import Any, get_args

import pytest

from harness.matrix.catalog import Expectation
from harness.matrix.news import Kind, news
from harness.matrix.record import CaseRow, NewsItem, PastResult, past_result
from tests.matrix.rows import night, nights, tried

OTHER = "b" * 64
HUNG = {"outcome": "fail", "stage": "initrd", "cause": "boot.hung"}
EXPECTS_HUNG = Expectation(outcome="fail", cause="boot.hung")


def told(now: CaseRow, *before: CaseRow) -> NewsItem | None:
    """The news of one image, whose earlier results are those of as many nights."""
    found = news([now], {now.name: nights(*before)})
    assert len(found) <= 1
    return found[0] if found else None


def brief(row: NewsItem | None) -> tuple[str, str, datetime.datetime | None]:
    assert row is not None
    return row.kind, row.statement, row.since


def kind(now: CaseRow, *before: CaseRow) -> str | None:
    row = told(now, *before)
    return row.kind if row else None


def failed(**more: Any) -> CaseRow:
    return tried(outcome="fail", **more)


ERROR = tried(outcome="error")


class TestChanges:
    def test_broken(self) -> None:
        now = failed(sha256=OTHER)
        assert brief(told(now, tried(), tried())) == (
            "broken",
            "Passed until 2026-11-02; fails with boot.kernel-panic since.",
            night(2),
        )

    def test_fixed(self) -> None:
        assert brief(told(tried(sha256=OTHER), tried(**HUNG))) == (
            "fixed",
            "Failed with boot.hung until 2026-11-01; passes since.",
            night(1),
        )

    def test_an_image_that_is_broken_on_purpose_and_passes(self) -> None:
        before = tried(**HUNG, expected=EXPECTS_HUNG)
        now = tried(expected=EXPECTS_HUNG, sha256=OTHER)
        assert brief(told(now, before)) == (
            "broken",
            "Failed with boot.hung until 2026-11-01, as expected; passes since, "
            "against what is expected.",
            night(1),
        )

    def test_an_unchanged_result_is_news_once(self) -> None:
        assert told(failed(), tried(sha256=OTHER), failed()) is None
        assert told(tried(), failed(sha256=OTHER), tried()) is None

    def test_changed(self) -> None:
        assert brief(told(tried(**HUNG), failed())) == (
            "changed",
            "Failed with boot.kernel-panic until 2026-11-01; fails with boot.hung since.",
            night(1),
        )

    def test_changed_in_its_stage_alone(self) -> None:
        row = told(failed(stage="root"), failed(stage=None))
        assert row
        assert row.statement == (
            "Failed with boot.kernel-panic before any boot until 2026-11-01; "
            "fails with boot.kernel-panic at the stage root since."
        )

    def test_a_right_result_may_come_by_another_stage(self) -> None:
        right = Expectation(outcome="fail", cause="boot.kernel-panic")
        assert told(failed(stage="root", expected=right), failed(expected=right)) is None

    @pytest.mark.parametrize(
        ("now", "statement"),
        [
            (
                tried(expected=EXPECTS_HUNG),
                "Passes as on 2026-11-01, and is no longer as expected: outcome, cause.",
            ),
            (
                tried(expected=Expectation(predicted=True)),
                "Passes as on 2026-11-01, and is no longer as expected: prediction.",
            ),
        ],
    )
    def test_a_catalog_that_expects_something_else_is_named(
        self, now: CaseRow, statement: str
    ) -> None:
        assert brief(told(now, tried())) == ("broken", statement, night(1))
        back = told(tried(), now)
        assert back
        assert back.statement == "Passes as on 2026-11-01, and is as expected now."

    def test_a_reused_result_that_is_judged_otherwise_is_told_once(self) -> None:
        reused = tried(expected=EXPECTS_HUNG, reused=True)
        assert kind(reused, tried()) == "broken"
        assert kind(reused, tried(), reused) is None


class TestErrors:
    def test_an_error_is_no_news(self) -> None:
        assert told(ERROR) is None
        assert told(ERROR, tried()) is None
        assert told(ERROR, failed()) is None

    def test_a_right_result_after_errors_is_no_news(self) -> None:
        assert told(tried(), tried(), ERROR, ERROR) is None
        assert brief(told(failed(sha256=OTHER), tried(), ERROR))[2] == night(1)


class TestNew:
    def test_new(self) -> None:
        assert brief(told(tried())) == ("new", "The first result: passes, as expected.", None)

    def test_new_and_wrong(self) -> None:
        row = told(failed())
        assert row
        assert row.statement == ("The first result: fails with boot.kernel-panic, not as expected.")

    def test_an_error_is_no_result(self) -> None:
        assert kind(tried(), ERROR) == "new"

    def test_an_image_without_a_past_is_new(self) -> None:
        assert [row.kind for row in news([tried()], {"alpine": nights(tried())})] == ["new"]


class TestFlaky:
    def test_one_image_with_both_outcomes_is_flaky(self) -> None:
        now = tried(**HUNG)
        assert brief(told(now, tried(), tried(), ERROR, tried())) == (
            "flaky",
            "The same image comes out both ways: right in 3 and wrong in 1 of its last 4 results; "
            "fails with boot.hung now.",
            night(4),
        )
        assert kind(tried(), tried(), now) == "flaky"

    def test_the_earlier_way_may_lie_behind_another_image(self) -> None:
        assert brief(told(failed(), tried(), tried(sha256=OTHER))) == (
            "flaky",
            "The same image comes out both ways: right in 1 and wrong in 1 of its last 2 results; "
            "fails with boot.kernel-panic now.",
            night(1),
        )

    def test_another_image_is_broken_and_not_flaky(self) -> None:
        assert kind(failed(sha256=OTHER), tried()) == "broken"
        assert kind(failed(sha256=None), tried(sha256=None)) == "broken"

    def test_another_tool_is_a_reason(self) -> None:
        assert kind(tried(reuse_key="new"), failed(reuse_key="old")) == "fixed"
        assert kind(tried(reuse_key="k"), failed(reuse_key="k")) == "flaky"

    def test_an_unchanged_judgement_is_not_flaky(self) -> None:
        assert told(tried(), tried(), failed(), tried()) is None

    @pytest.mark.parametrize(("between", "expected"), [(8, "flaky"), (9, "broken")])
    def test_only_the_last_ten_count(self, between: int, expected: str) -> None:
        before = [tried(), *[tried(sha256=OTHER)] * between]
        assert kind(failed(), *before) == expected

    def test_reused_results_do_not_count_as_flaky(self) -> None:
        assert kind(failed(sha256=OTHER), failed(), tried(sha256=OTHER, reused=True)) == "broken"
        assert kind(tried(reused=True), tried(), failed()) == "fixed"


class TestPace:
    def boots(self, *seconds: float, **more: Any) -> list[CaseRow]:
        return [tried(verdict_s=took_s, **more) for took_s in seconds]

    def test_slower(self) -> None:
        now = tried(verdict_s=95.4)
        assert brief(told(now, *self.boots(41, 40, 52, 44, 45))) == (
            "slower",
            "The boot took 95 s to its verdict; the 5 before it took 40 to 52 s.",
            night(5),
        )

    def test_faster(self) -> None:
        row = told(tried(verdict_s=20), *self.boots(41, 40, 52, 44, 45))
        assert row
        assert (row.kind, row.since) == ("faster", night(5))

    @pytest.mark.parametrize(
        ("took_s", "before"),
        [
            (95, (40, 40, 40, 40)),  # too few
            (59, (40, 40, 40, 40, 40)),  # less than half as much again
            (14, (5, 5, 5, 5, 5)),  # some seconds
            (95, (40, 40, 40, 40, 96)),  # was seen before
            (20, (40, 40, 40, 40, 20)),
            (40, (40, 40, 40, 40, 40)),
        ],
    )
    def test_small_differences_are_no_other_pace(
        self, took_s: float, before: tuple[float, ...]
    ) -> None:
        assert told(tried(verdict_s=took_s), *self.boots(*before)) is None

    @pytest.mark.parametrize(("took_s", "before_s"), [(60, 40), (40, 60)])
    def test_the_bounds_themselves_are_another_pace(self, took_s: float, before_s: float) -> None:
        assert told(tried(verdict_s=took_s), *self.boots(*[before_s] * 5))

    @pytest.mark.parametrize(
        "more", [{"stage": "ready"}, {"accel": "kvm"}, {"reused": True}, {"outcome": "error"}]
    )
    def test_only_boots_of_the_same_kind_are_compared(self, more: dict[str, Any]) -> None:
        now = tried(verdict_s=95)
        assert told(now, *self.boots(*[40] * 5, **more), tried(verdict_s=90)) is None

    def test_a_broken_boot_is_not_called_slow(self) -> None:
        assert kind(failed(verdict_s=300, sha256=OTHER), *self.boots(*[40] * 5)) == "broken"
        wrong = [failed(verdict_s=40)] * 5
        assert told(failed(verdict_s=300), *wrong) is None

    def test_a_reused_boot_has_no_pace(self) -> None:
        assert told(tried(verdict_s=95, reused=True), *self.boots(*[40] * 5)) is None

    def test_one_slow_night_is_told_once(self) -> None:
        slow = self.boots(95)
        assert told(tried(verdict_s=95), *self.boots(*[40] * 5), *slow) is None


def test_the_kinds_are_those_of_the_record() -> None:
    assert set(get_args(Kind)) == set(get_args(NewsItem.model_fields["kind"].annotation))


def test_the_worst_is_told_first_and_the_rest_in_the_order_of_the_catalog() -> None:
    rows = [
        tried("new-b"),
        tried("new-a"),
        tried("fixed", sha256=OTHER),
        failed(name="broken-b", sha256=OTHER),
        tried("same"),
        failed(name="broken-a", sha256=OTHER),
    ]
    past = {
        "fixed": nights(failed()),
        "broken-a": nights(tried()),
        "broken-b": nights(tried()),
        "same": nights(tried()),
        "gone": nights(failed()),
    }
    assert [row.name for row in news(rows, past)] == [
        "broken-b",
        "broken-a",
        "fixed",
        "new-b",
        "new-a",
    ]


def _any_row(dice: random.Random) -> CaseRow:
    kinds: list[dict[str, Any]] = [{}, {"outcome": "fail"}, HUNG, {"outcome": "inconclusive"}]
    return tried(
        **dice.choice([*kinds, {"outcome": "error"}]),
        sha256=dice.choice(["a" * 64, OTHER, None]),
        verdict_s=dice.choice([1.0, 40.0, 41.0, 95.0, 300.0]),
        accel=dice.choice(["tcg", "kvm"]),
        reused=dice.random() < 0.2,
        reuse_key=dice.choice([None, "j", "k"]),
        expected=dice.choice([Expectation(), EXPECTS_HUNG]),
    )


@pytest.mark.parametrize("seed", range(150))
def test_invariants_hold_for_any_past(seed: int) -> None:
    dice = random.Random(seed)
    now = _any_row(dice)
    before = nights(*[_any_row(dice) for _ in range(dice.randrange(14))])
    row = _only(now, before)
    if row is None:
        results = [one for one in before if one.judgement != "error"]
        assert now.judgement == "error" or results[-1].judgement == now.judgement
        return
    assert now.judgement != "error"
    assert (row.kind == "new") == all(one.judgement == "error" for one in before)
    assert (row.since is None) == (row.kind == "new")
    assert row.kind not in ("broken", "changed") or now.judgement == "wrong"
    assert row.kind not in ("fixed", "slower", "faster") or now.judgement == "right"
    assert row.statement.endswith(".")
    assert "\n" not in row.statement
    assert row.statement[0].isupper()
    # A night of errors more, and another zone, are all the same.
    gap = dice.randrange(len(before) + 1)
    night_of_errors = past_result(ERROR, night(1))
    assert _only(now, [*before[:gap], night_of_errors, *before[gap:]]) == row
    abroad = datetime.timezone(datetime.timedelta(hours=-7))
    moved = [one.model_copy(update={"at": one.at.astimezone(abroad)}) for one in before]
    assert _only(now, moved) == row
    # The next night that comes out the same way is no news, but for its pace.
    reused_row = _only(now, [*before, past_result(now, night(20))])
    assert reused_row is None or reused_row.kind in ("slower", "faster")


def _only(now: CaseRow, before: Sequence[PastResult]) -> NewsItem | None:
    found = news([now], {now.name: before})
    assert len(found) <= 1
    return found[0] if found else None

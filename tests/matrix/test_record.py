import datetime

import pytest

from harness.matrix.catalog import Expected
from harness.matrix.record import Matrix, judge_against
from tests.matrix.rows import tried


@pytest.mark.parametrize(
    ("expected", "came", "right"),
    [
        (Expected(), {"outcome": "pass"}, ("right", ())),
        (Expected(), {"outcome": "fail", "cause": "boot.hung"}, ("wrong", ("outcome", "cause"))),
        (Expected(), {"outcome": "error"}, ("error", ())),
        (
            Expected(stages=("network",)),
            {"outcome": "pass", "stage": "seed"},
            ("wrong", ("stage",)),
        ),
        (
            Expected(outcome="fail", cause="boot.hung"),
            {"outcome": "fail", "cause": "boot.kernel-panic"},
            ("wrong", ("cause",)),
        ),
        (Expected(predicted=True), {"outcome": "pass"}, ("wrong", ("prediction",))),
        (Expected(outcome="inconclusive"), {"outcome": "inconclusive"}, ("right", ())),
    ],
)
def test_what_comes_is_held_against_what_is_expected(
    expected: Expected, came: dict[str, str], right: tuple[str, tuple[str, ...]]
) -> None:
    assert judge_against(expected, tried(**came).result) == right


@pytest.mark.parametrize(
    ("outcomes", "missing", "status"),
    [
        (["pass"], (), 0),
        ([], (), 0),
        (["pass", "fail"], (), 1),
        (["error", "fail"], (), 1),
        (["inconclusive"], (), 3),
        (["inconclusive", "error"], (), 4),
        (["pass"], ("other",), 4),
    ],
)
def test_the_exit_status_of_a_matrix(
    outcomes: list[str], missing: tuple[str, ...], status: int
) -> None:
    now = datetime.datetime.now(tz=datetime.UTC)
    rows = tuple(tried(f"image-{n}", outcome=outcome) for n, outcome in enumerate(outcomes))
    matrix = Matrix(started_at=now, ended_at=now, version="0", tried=rows, missing=missing)
    assert matrix.exit_status == status

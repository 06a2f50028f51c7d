import datetime

import pytest

from harness.matrix.catalog import Expectation
from harness.matrix.record import Matrix, judge_by_expectation
from tests.matrix.rows import tried


@pytest.mark.parametrize(
    ("expected", "came", "right"),
    [
        (Expectation(), {"outcome": "pass"}, ("right", ())),
        (Expectation(), {"outcome": "fail", "cause": "boot.hung"}, ("wrong", ("outcome", "cause"))),
        (Expectation(), {"outcome": "error"}, ("error", ())),
        (
            Expectation(stages=("network",)),
            {"outcome": "pass", "stage": "seed"},
            ("wrong", ("stage",)),
        ),
        (
            Expectation(outcome="fail", cause="boot.hung"),
            {"outcome": "fail", "cause": "boot.kernel-panic"},
            ("wrong", ("cause",)),
        ),
        (Expectation(predicted=True), {"outcome": "pass"}, ("wrong", ("prediction",))),
        (Expectation(outcome="inconclusive"), {"outcome": "inconclusive"}, ("right", ())),
    ],
)
def test_a_result_is_judged_by_its_expectation(
    expected: Expectation, came: dict[str, str], right: tuple[str, tuple[str, ...]]
) -> None:
    assert judge_by_expectation(expected, tried(**came).result) == right


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

from __future__ import annotations

import subprocess
import sys

import pytest

PRINT = (
    "from harness.host.signals import ending_signals; print(*(n.name for n in ending_signals()))"
)


@pytest.mark.parametrize(
    ("before", "names"),
    [([], "SIGINT SIGTERM SIGHUP"), (["nohup"], "SIGINT SIGTERM")],
    ids=["alone", "nohup"],
)
def test_a_terminal_that_is_closed_ends_what_was_not_meant_to_outlive_it(
    before: list[str], names: str
) -> None:
    words = [*before, sys.executable, "-c", PRINT]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == names

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
def test_sighup_ends_the_program_unless_it_is_ignored(before: list[str], names: str) -> None:
    words = [*before, sys.executable, "-c", PRINT]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == names

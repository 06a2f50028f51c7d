"""Preseed files, held against debconf, which reads them in d-i too."""

import os
import re
import subprocess
import tempfile
from collections.abc import Callable

import pytest

TextOf = Callable[[str, str], str]


def fault_of(preseed: str) -> str:
    """What ``debconf-set-selections`` says against a file; nothing where it takes it.

    It says so of each line, and goes on: its exit status is that of the last one.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The host's own database is locked by whoever else reads it at the moment.
        own = {"DEBCONF_DB_OVERRIDE": f"File{{{folder}/debconf.dat}}"}
        checked = subprocess.run(
            ["debconf-set-selections", "--checkonly"],
            input=preseed,
            capture_output=True,
            text=True,
            env={**os.environ, **own},
        )
    return checked.stderr or ("status" if checked.returncode else "")


def test_debconf_takes_it(text_of: TextOf) -> None:
    assert fault_of(text_of("Debian", "preseed.cfg")) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("d-i passwd/root-login boolean true", "d-i passwd/root-login"),
        ("d-i passwd/root-login boolean true", "d-i passwd/root-login bool true"),
        ("d-i clock-setup/utc", "d-i"),
    ],
)
def test_debconf_refuses_a_wrong_one(text_of: TextOf, old: str, new: str) -> None:
    text = text_of("Debian", "preseed.cfg")
    assert old in text
    assert fault_of(text.replace(old, new)) != ""


def test_a_question_is_answered_once(text_of: TextOf) -> None:
    questions = re.findall(r"(?m)^[a-z-]+ (\S+) ", text_of("Debian", "preseed.cfg"))
    assert len(set(questions)) == len(questions) > 40

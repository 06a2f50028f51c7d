"""The files of an installer's answers."""

from __future__ import annotations

from collections.abc import Mapping

from harness.installer.answers import Answers


def contents(answers: Answers) -> Mapping[str, bytes]:
    return {**answers.initrd_files, **answers.iso_files}

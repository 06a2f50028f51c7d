"""The program log: silent by default, bounded, and without secrets."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from harness.host.program_log import LOG_FILE, hide_log, kept_log, show_log

LOG = logging.getLogger("harness.a.module")


@pytest.fixture(autouse=True)
def _hidden() -> Iterator[None]:
    yield
    hide_log()


def lines(folder: Path) -> list[str]:
    return (folder / LOG_FILE).read_text().splitlines()


def test_log_is_silent_by_default(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("harness").error("nobody asked")
    assert capfd.readouterr().err == ""


def test_a_level_is_shown_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    show_log(logging.INFO)
    LOG.debug("too much")
    LOG.info("started %s", "it")
    assert capsys.readouterr().err.endswith(" INFO    harness.a.module: started it\n")
    show_log(logging.DEBUG)
    LOG.debug("all of it")
    assert capsys.readouterr().err.count("all of it") == 1
    hide_log()
    LOG.info("no more")
    assert capsys.readouterr().err == ""
    assert [type(row) for row in logging.getLogger("harness").handlers] == [logging.NullHandler]


def test_a_run_keeps_its_own_log(tmp_path: Path) -> None:
    with kept_log(tmp_path):
        LOG.debug("in it")
    LOG.debug("after it")
    (line,) = lines(tmp_path)
    assert line.endswith(" DEBUG   harness.a.module: in it")


def test_messages_of_a_boot_are_in_its_log_and_the_log_of_the_run(tmp_path: Path) -> None:
    inner = tmp_path / "counterfactual"
    inner.mkdir()
    with kept_log(tmp_path):
        with kept_log(inner):
            LOG.debug("both")
        LOG.debug("outer")
    assert [row.rpartition(" ")[2] for row in lines(tmp_path)] == ["both", "outer"]
    assert [row.rpartition(" ")[2] for row in lines(inner)] == ["both"]


def test_parallel_runs_have_separate_logs(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    together = threading.Barrier(2)

    def run(folder: Path) -> None:
        folder.mkdir()
        with kept_log(folder):
            together.wait()
            LOG.debug("run %s", folder.name)
            together.wait()

    threads = [
        threading.Thread(target=copy_context().run, args=(run, folder)) for folder in folders
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [[row.rpartition(" ")[2] for row in lines(folder)] for folder in folders] == [
        ["a"],
        ["b"],
    ]


def test_log_file_is_bounded_and_names_its_limit(tmp_path: Path) -> None:
    with kept_log(tmp_path, max_bytes=4096):
        for number in range(1000):
            LOG.debug("line %d", number)
    assert (tmp_path / LOG_FILE).stat().st_size <= 4096
    assert lines(tmp_path)[-1] == "The log ends here: it has 4096 bytes, and takes no more."
    assert "line 0" in lines(tmp_path)[0]


def test_unwritable_log_folder_raises_nothing(tmp_path: Path) -> None:
    with kept_log(tmp_path / "missing"):
        LOG.info("nowhere")
    assert logging.getLogger("harness").propagate


def test_log_has_no_secrets_and_no_escape_sequences(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    show_log(logging.DEBUG)
    with kept_log(tmp_path):
        LOG.info("GET https://me:hidden@example.org/x?X-Amz-Signature=hidden")
        LOG.info("-----BEGIN OPENSSH PRIVATE KEY-----\nhidden\n-----END OPENSSH PRIVATE KEY-----")
        LOG.info("\x1b]0;owned\x07 title")
    for said in (capsys.readouterr().err, "\n".join(lines(tmp_path))):
        assert "hidden" not in said
        assert "\x1b" not in said
        assert "title" in said


def test_root_logger_still_gets_messages_of_its_level(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "harness")
    with kept_log(tmp_path):
        LOG.debug("too much")
        LOG.info("enough")
    LOG.info("afterwards")
    assert [row.message for row in caplog.records] == ["enough", "afterwards"]
    assert logging.getLogger("harness").level == logging.INFO

"""The layout of the tests: each module has its test, and tests import nothing from tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import harness

TESTS = Path(__file__).parent

# In the text, not only in the syntax tree: a program that a test writes imports, too.
_FROM_A_TEST = re.compile(
    r"^\s*(?:from|import) tests\.(?:\w+\.)*(?:test_\w+|conftest)\b", re.MULTILINE
)


@pytest.mark.parametrize(
    "path", sorted(TESTS.rglob("*.py")), ids=lambda path: str(path.relative_to(TESTS))
)
def test_nothing_is_imported_from_a_test(path: Path) -> None:
    found = _FROM_A_TEST.findall(path.read_text())
    assert not found, "what several tests need has a module that is named for what it holds"


ROOT = Path(harness.__file__).parent

BY_WHOLE_RUNS = ("evidence", "diagnose", "trial")
"""What these rooms come to is held by runs: recorded ones, and boots of a fake QEMU
(gallery/test_replay.py, trial/test_recorded_isos.py, trial/test_fake_boots.py)."""

THIN = {
    "cli/doctor.py": "prints what machine/doctor.py finds",
    "cli/ending.py": "held by the exit status of every command",
    "cli/explain.py": "prints what report/findings_page.py says",
    "cli/invocation.py": "a table of what was asked for",
    "cli/options.py": "declares options; each command's test uses them",
    "cli/providers.py": "prints what report/profiles.py says",
    "host/masking.py": "three lines around signal masks, held in host/test_bugs.py",
    "image/fs/node.py": "a protocol, held by the test of each reader",
    "machine/host_check.py": "data",
    "machine/spec.py": "data",
    "matrix/progress.py": "data",
    "model/hardware.py": "data",
    "model/image.py": "data",
    "model/outcome.py": "data",
    "report/provider_table.py": "a table on a terminal",
    "report/findings_list.py": "a table on a terminal",
    "report/profiles.py": "a table on a terminal, held in provider/test_shipped.py",
    "seed/delivery.py": "data",
    "seed/guest_network.py": "data",
}
"""Modules without a test of their own, and why."""

ELSEWHERE = {
    "checks/windows.py": "image/os/test_windows.py",
    "cli/console.py": "console/test_terminal.py",
    "cli/replay.py": "trial/test_console_log.py",
    "console/dialogs.py": "console/test_terminal.py",
    "console/rule_hits.py": "console/test_actions.py",
    "console/controls.py": "console/test_actions.py",
    "console/terminal_session.py": "console/test_station.py",
    "console/panels.py": "console/test_terminal.py",
    "console/picture_pane.py": "console/test_terminal.py",
    "console/serial_pane.py": "console/test_terminal.py",
    "console/web/identity.py": "console/web/test_app.py",
    "console/web/feed.py": "console/web/test_app.py",
    "console/web/files.py": "console/web/test_app.py",
    "console/web/action_rows.py": "console/web/test_page.py",
    "console/web/outbox.py": "console/web/test_app.py",
    "console/web/room.py": "console/web/test_app.py",
    "console/web/serve.py": "console/web/test_page_server.py",
    "console/web/sockets.py": "console/web/test_app.py",
    "examine/child.py": "checks/test_inside.py",
    "examine/image_report.py": "checks/test_inside.py",
    "image/container/qcow2.py": "checks/test_container.py",
    "image/container/qemu_check.py": "checks/test_container.py",
    "image/os/disk.py": "checks/test_inside.py",
    "image/os/linux.py": "checks/test_inside.py",
    "image/os/system.py": "checks/test_inside.py",
    "image/os/wim.py": "examine/test_windows_setup.py",
    "machine/doctor.py": "cli/test_main.py",
    "machine/libvirt_backend.py": "machine/test_libvirt.py",
    "machine/libvirt_link.py": "machine/test_libvirt.py",
    "machine/libvirt_remote.py": "machine/test_libvirt.py",
    "machine/remote_host.py": "machine/test_libvirt.py",
    "matrix/attempt.py": "matrix/test_boots.py",
    "matrix/run_follower.py": "matrix/test_boots.py",
    "matrix/local.py": "matrix/test_boots.py",
    "matrix/remote.py": "matrix/test_cluster.py",
    "net/http.py": "net/test_remote.py",
    "observe/console.py": "trial/test_fake_boots.py",
    "report/boots.py": "report/test_html.py",
    "report/matrix_progress.py": "cli/test_matrix.py",
    "report/plain_text.py": "test_pytest_plugin.py",
    "report/download_progress.py": "cli/test_verify.py",
    "screen/reading.py": "screen/test_ocr.py",
    "session/stage_waiter.py": "session/test_session.py",
    "session/live.py": "session/test_session.py",
    "session/loop.py": "session/test_session.py",
    "session/opening.py": "session/test_session.py",
    "session/serial.py": "session/test_session.py",
}
"""Modules that are parts of a whole, and the test that holds the whole. It should not grow."""


def _wanting() -> list[str]:
    """The modules of harness that no test is named after."""
    names = []
    for path in sorted(ROOT.rglob("*.py")):
        name = path.relative_to(ROOT)
        test = TESTS / name.with_name(f"test_{name.name}")
        if not name.name.startswith("__") and name.parts[0] not in BY_WHOLE_RUNS:
            names += [] if test.exists() else [name.as_posix()]
    return names


def test_module_has_a_test_of_its_name() -> None:
    wanting = set(_wanting()) - THIN.keys() - ELSEWHERE.keys()
    assert not wanting, "give each a test file of its name, in the folder of its name"


def test_no_exception_is_stale() -> None:
    assert (THIN.keys() | ELSEWHERE.keys()) <= set(_wanting())
    assert not THIN.keys() & ELSEWHERE.keys()
    assert all((TESTS / test).is_file() for test in ELSEWHERE.values())

"""A result is reused where nothing that decides it has changed, and only there."""

import re
import shutil
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.matrix.attempt import NOT_IN_CONDITIONS, Options
from harness.matrix.catalog import CatalogEntry, Expectation, PlannedCase
from harness.matrix.reuse import NOT_IN_KEY, ReuseConditions, reuse_key, reused_row
from tests.matrix.rows import SHA256, tried

pytestmark = pytest.mark.programs

CONDITIONS = ReuseConditions(qemu="7.2.22", accel="tcg")


def entry(**more: Any) -> CatalogEntry:
    return CatalogEntry.model_validate({"name": "debian", "file": "debian.qcow2", **more})


KEY = reuse_key(entry(), SHA256, CONDITIONS)


def test_a_key_is_short_and_says_nothing() -> None:
    assert re.fullmatch("[0-9a-f]{32}", KEY)


@pytest.mark.parametrize(
    "changed",
    [
        {"firmware": "uefi"},
        {"firmware": "bios"},
        {"until": "ready"},
        {"install": True},
        {"strict": True},
        {"silence_s": 300},
        {"file": "debian.img"},
        {"file": None, "url": "https://images.example/debian.qcow2"},
        {"file": None, "url": "https://images.example/a.qcow2", "checksums": "SHA256SUMS"},
    ],
)
def test_all_that_reaches_the_run_is_in_the_key(changed: dict[str, Any]) -> None:
    assert reuse_key(entry(**changed), SHA256, CONDITIONS) != KEY


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "bookworm"},
        {"description": "Debian 12"},
        {"tags": ["debian"]},
        {"deadline_s": 60},
        {"expected": {"outcome": "fail", "cause": "boot.hung"}, "why": "it is broken"},
    ],
)
def test_fields_that_change_no_result_are_not_in_the_key(changed: dict[str, Any]) -> None:
    assert reuse_key(entry(**changed), SHA256, CONDITIONS) == KEY


def test_every_field_of_an_entry_is_in_the_key_or_named_as_left_out() -> None:
    class Longer(CatalogEntry):
        added: bool = False

    assert set(CatalogEntry.model_fields) > NOT_IN_KEY
    longer = {"name": "debian", "file": "debian.qcow2"}
    keys = {
        reuse_key(Longer.model_validate({**longer, "added": value}), SHA256, CONDITIONS)
        for value in (False, True)
    }
    assert len(keys) == 2


def test_every_option_is_a_condition_or_named_as_left_out() -> None:
    options = {row.name for row in fields(Options)}
    assert options >= NOT_IN_CONDITIONS
    assert options - NOT_IN_CONDITIONS <= {row.name for row in fields(ReuseConditions)}


@pytest.mark.parametrize(
    "changed",
    [
        {"qemu": "9.2.0"},
        {"accel": "kvm"},
        {"backend": "libvirt"},
        {"counterfactual": False},
        {"rules": ('[[rule]]\nid = "mine"',)},
        {"version": "0.2.0"},
        {"files": "f"},
    ],
)
def test_the_conditions_of_a_result_are_in_the_key(changed: dict[str, Any]) -> None:
    assert reuse_key(entry(), SHA256, replace(CONDITIONS, **changed)) != KEY


def test_another_image_has_another_key() -> None:
    assert reuse_key(entry(), "b" * 64, CONDITIONS) != KEY


def key_of_a_copy(folder: Path, name: str, change: tuple[str, str]) -> str:
    """The key that a copy of harness makes, in whose file ``name`` one text became another."""
    copy = folder / "harness"
    shutil.copytree(Path(harness.__file__).parent, copy)
    file = copy / name
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    assert change[0] in text
    file.write_text(text.replace(*change, 1), encoding="utf-8")
    program = (
        "from harness.matrix.catalog import CatalogEntry\n"
        "from harness.matrix.reuse import ReuseConditions, reuse_key\n"
        "entry = CatalogEntry(name='debian', file='debian.qcow2')\n"
        f"print(reuse_key(entry, '{SHA256}', ReuseConditions(qemu='7.2.22', accel='tcg')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("name", "change", "is_same"),
    [
        ("report/result_text.py", ("", "# shown otherwise\n"), True),
        ("provider/nimbus.toml", ("", "# another provider\n"), True),
        ("provider/contabo.toml", ("", "# a remark\n"), True),
        ("provider/contabo.toml", ("value = 2048", "value = 4096"), False),
        ("provider/profile.py", ("", "# other code\n"), False),
        ("diagnose/rules.toml", ("", "# another rule\n"), False),
        ("model/catalog.toml", ("", "# another finding\n"), False),
        ("diagnose/diagnosis.py", ("", "# other code\n"), False),
    ],
)
def test_the_code_and_the_tables_that_judge_are_in_the_key(
    tmp_path: Path, name: str, change: tuple[str, str], is_same: bool
) -> None:
    assert (key_of_a_copy(tmp_path, name, change) == KEY) is is_same


def test_a_result_is_judged_again_by_what_is_expected_today() -> None:
    known = tried(outcome="fail", reuse_key="k", worker="a", tags=("old",))
    expected = Expectation(outcome="fail", cause="boot.kernel-panic")
    today = entry(name="broken", tags=["new"], expected=expected.model_dump(), why="it is broken")
    row = reused_row(PlannedCase(today, "gallery.toml", Path(), None), known)
    assert (known.judgement, known.differs) == ("wrong", ("outcome", "cause"))
    assert (row.judgement, row.differs) == ("right", ())
    assert (row.name, row.catalog, row.tags, row.why) == (
        "broken",
        "gallery.toml",
        ("new",),
        "it is broken",
    )
    assert (row.reused, row.run_dir, row.result.run_dir) == (True, None, None)
    assert (row.reuse_key, row.result.outcome, row.started_at) == ("k", "fail", known.started_at)

"""The table of backends: each row loads, and is in the documentation."""

import inspect
from pathlib import Path

import pytest

from harness.cli.verify import verify
from harness.errors import UsageError
from harness.machine.backend import Backend, BackendModule
from harness.machine.launch import BACKENDS, choose_backend
from tests.program import harness

DOCUMENT = Path(__file__).parents[2] / "docs" / "verify.md"


def test_qemu_is_the_default_backend() -> None:
    assert choose_backend("qemu", None) == Backend("qemu", "")
    with pytest.raises(UsageError, match="--connect: is for --backend libvirt"):
        choose_backend("qemu", "qemu:///system")


def test_an_address_is_read_by_its_backend() -> None:
    uri = "qemu+ssh://host/system"
    assert choose_backend("libvirt", uri) == Backend("libvirt", uri)
    with pytest.raises(UsageError, match="--connect nowhere"):
        choose_backend("libvirt", "nowhere")


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_has_what_each_has_to_offer(name: str) -> None:
    module = BACKENDS[name].load()
    for wanted, function in inspect.getmembers(BackendModule, inspect.isfunction):
        if not wanted.startswith("_"):
            offered = inspect.signature(getattr(module, wanted))
            assert len(offered.parameters) == len(inspect.signature(function).parameters) - 1


@pytest.mark.parametrize("name", BACKENDS)
def test_a_backend_is_documented_with_what_it_cannot_do(name: str) -> None:
    (line,) = (
        line for line in DOCUMENT.read_text().splitlines() if line.startswith(f"| `{name}` |")
    )
    assert all(f"`{option}`" in line for option in BACKENDS[name].not_with)
    options = {option for parameter in verify.params for option in parameter.opts}
    assert options.issuperset(BACKENDS[name].not_with)


@pytest.mark.programs
@pytest.mark.parametrize(
    ("name", "option"),
    [(name, option) for name, row in BACKENDS.items() for option in row.not_with],
)
def test_what_a_backend_cannot_do_is_refused(name: str, option: str) -> None:
    done = harness("verify", "x", "--backend", name, option)
    assert done.returncode == 2
    assert f"--backend {name} and {option}: give one of them" in done.stderr

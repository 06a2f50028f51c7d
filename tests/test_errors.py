"""The tree of errors: as it is drawn, whole, and each with an exit status and a finding."""

import importlib
import inspect
import pickle
import pkgutil
import re

import pytest

import harness
from harness import errors
from harness.errors import (
    FaultError,
    HarnessError,
    HostError,
    InternalError,
    InterruptedRunError,
    NoSpaceError,
    fault_of,
)
from harness.model.finding import finding_catalog

# Signals, not errors: nothing below main() may take them for one.
_OUTSIDE = {"harness.cli.main._TerminationSignal"}
# Runs the program where it is imported.
_PROGRAMS = {"harness.__main__"}


def _modules() -> list[str]:
    found = pkgutil.walk_packages(harness.__path__, "harness.")
    return sorted({row.name for row in found} - _PROGRAMS)


def _classes() -> dict[str, type[BaseException]]:
    """Every class of an exception that is defined in harness, by its whole name."""
    found = {}
    for name in _modules():
        module = importlib.import_module(name)
        for kind in vars(module).values():
            if inspect.isclass(kind) and issubclass(kind, BaseException):
                found[f"{kind.__module__}.{kind.__qualname__}"] = kind
    return {name: kind for name, kind in found.items() if name.startswith("harness.")}


def test_every_exception_is_in_the_tree() -> None:
    outside = {name for name, kind in _classes().items() if not issubclass(kind, HarnessError)}
    assert outside == _OUTSIDE


def test_the_tree_is_drawn_as_it_is() -> None:
    drawn = []
    path: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        row = re.fullmatch(r"    ((?:[│ ] {3})*)(?:[├└]── )?(\w+Error)\b(.*)", line)
        if row is None:
            continue
        depth = row.start(2)
        path = [above for above in path if above[0] < depth]
        drawn.append((row[2], path[-1][1] if path else None))
        path.append((depth, row[2]))
    real = {
        (kind.__name__, None if kind is HarnessError else kind.__bases__[0].__name__)
        for kind in _classes().values()
        if issubclass(kind, HarnessError)
    }
    assert len(drawn) == len(set(drawn))
    assert set(drawn) == real


def test_the_exit_status_is_drawn_as_it_is() -> None:
    by_name = {kind.__name__: kind for kind in _classes().values()}
    drawn = re.findall(r"(\w+Error) +(\d):? ?", errors.__doc__ or "")
    assert drawn
    for name, status in drawn:
        kind = by_name[name]
        assert issubclass(kind, HarnessError)
        assert kind.exit_status == int(status), name


def test_every_fault_has_a_finding_of_its_own() -> None:
    kinds = [*HostError.__subclasses__(), InternalError]
    ids = [kind.finding_id for kind in kinds]
    assert len(ids) == len(set(ids))
    of_host = {name for name in finding_catalog() if name.startswith("host.")}
    assert {name for name in ids if name.startswith("host.")} == of_host


@pytest.mark.parametrize("kind", [FaultError, HostError])
def test_a_fault_without_a_finding_is_not_raised(kind: type[FaultError]) -> None:
    with pytest.raises(TypeError, match="has no finding"):
        kind("The host is at fault.")


def test_a_recorded_finding_becomes_its_error() -> None:
    assert isinstance(fault_of("host.no-space", "It is full."), NoSpaceError)
    assert isinstance(fault_of("internal.error", "A bug."), InternalError)
    assert isinstance(fault_of("host.of-a-later-version", "?"), InterruptedRunError)


def test_a_fault_goes_from_process_to_process() -> None:
    fault = pickle.loads(pickle.dumps(NoSpaceError("It is full.", "Free some space.")))
    assert isinstance(fault, NoSpaceError)
    assert (str(fault), fault.remedy) == ("It is full.", "Free some space.")

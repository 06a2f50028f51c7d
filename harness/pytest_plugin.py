"""The plugin of pytest: catalogs are test files, and ``booted`` is a machine that runs.

It is loaded into every run of pytest in whose environment harness is: so it imports what it needs
where it needs it, and takes nothing for a catalog that nobody has named.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

if TYPE_CHECKING:
    from harness.matrix.catalog import PlannedCase
    from harness.matrix.record import CaseRow
    from harness.session import LiveMachine

_SOURCES = frozenset({"url", "file", "recipe"})
# Marks with a meaning of their own: a tag of that name must not skip an image.
_TAKEN = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})
_NAMELESS = "booted: say which image: @pytest.mark.booted(image=...), or --harness-image PATH."


def pytest_addoption(parser: pytest.Parser) -> None:
    """Its options, all with a name that nobody else has."""
    group = parser.getgroup("harness", "images of a cloud (harness)")
    group.addoption(
        "--harness-accel",
        choices=["auto", "kvm", "tcg"],
        default="auto",
        help="auto takes KVM where it runs 64-bit code, else emulation (TCG).",
    )
    group.addoption(
        "--harness-run-dir",
        metavar="DIR",
        help="Where the folders of the runs go.  [default: ~/.local/state/harness/runs]",
    )
    group.addoption(
        "--harness-image",
        action="append",
        default=[],
        metavar="IMAGE_OR_URL",
        help="An image for the fixture booted, where a test names none; may be repeated.",
    )
    parser.addini(
        "harness_catalogs",
        "Catalogs of images, files or folders: collected wherever pytest comes across them.",
        type="paths",
        default=[],
    )


def pytest_configure(config: pytest.Config) -> None:
    """Its mark."""
    what = "the machine that the fixture of this name gives; image is a path, a link or a name"
    config.addinivalue_line("markers", f"booted(image, until, firmware, provider): {what}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A catalog that was asked for; nothing else."""
    if file_path.suffix != ".toml" or not _is_asked_for(file_path, parent.config):
        return None
    return CatalogFile.from_parent(parent, path=file_path)


def _is_asked_for(path: Path, config: pytest.Config) -> bool:
    """Whether ``path`` is named, or looks like a catalog and its folder is named.

    What ``testpaths`` says was not said for this: only words of the command line count.
    """
    path = path.resolve()
    named = {catalog.resolve() for catalog in config.getini("harness_catalogs")}
    if path in named or path.parent in named:
        return True
    if config.args_source is not pytest.Config.ArgsSource.ARGS:
        return False
    start = config.invocation_params.dir
    words = {(start / word.partition("::")[0]).resolve() for word in config.args}
    if path in words:
        return True
    folder = path.parent.parent if path.parent.name == "catalog" else path.parent
    return not words.isdisjoint({path.parent, folder}) and _looks_like_a_catalog(path)


def _looks_like_a_catalog(path: Path) -> bool:
    """Whether it has images in it; one that is broken is to be reported, and not passed over."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    try:
        rows = tomllib.loads(text).get("image")
    except tomllib.TOMLDecodeError:
        return any(line.strip() == "[[image]]" for line in text.splitlines())
    return isinstance(rows, list) and any(
        isinstance(row, dict) and not _SOURCES.isdisjoint(row) for row in rows
    )


class CatalogFile(pytest.File):
    """A catalog: a test for each image, marked with its tags."""

    def collect(self) -> Iterator[ImageItem]:
        """The images in the order of the file; a catalog with faults is an error with all."""
        from harness.evidence.guest_text import printable
        from harness.matrix.catalog import CatalogError, load_catalogs

        try:
            catalog = load_catalogs([self.path])
        except CatalogError as error:
            lines = [printable(line, 1000) for line in str(error).splitlines()]
            raise self.CollectError("\n".join(lines)) from None
        _register(self.config, (tag for planned in catalog for tag in planned.entry.tags))
        for planned in catalog:
            yield ImageItem.from_parent(self, name=planned.entry.name, planned=planned)


def _register(config: pytest.Config, tags: Iterable[str]) -> None:
    """Make marks of ``tags``, so that --strict-markers knows them."""
    known = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    for tag in sorted({*tags} - known - _TAKEN):
        config.addinivalue_line("markers", f"{tag}: images with this tag")


class ImageItem(pytest.Item):
    """An image of a catalog. What this host does wrong is an error, not a failure of the test."""

    def __init__(self, *, planned: PlannedCase, **of_pytest: Any) -> None:
        super().__init__(**of_pytest)
        self._planned = planned
        self._tried: CaseRow | None = None
        self.extra_keyword_matches.update(planned.entry.tags)
        for tag in planned.entry.tags:
            if tag not in _TAKEN:
                self.add_marker(tag)

    def setup(self) -> None:
        """Try the image."""
        from harness.matrix.attempt import Options, attempt
        from harness.report.plain_text import plain_row

        run_dir = _run_dir(self.config, self.name)
        self.add_report_section("setup", "run folder", str(run_dir))
        options = Options(accel=self.config.getoption("--harness-accel"))
        tried = self._tried = attempt(self._planned, options, run_dir)
        result = tried.result
        told = {"outcome": result.outcome, "stage": result.stage, "cause": result.cause}
        self.user_properties += [(name, value or "") for name, value in told.items()]
        self.user_properties.append(("run_dir", str(run_dir)))
        if tried.judgement == "error":
            pytest.fail(plain_row(tried), pytrace=False)

    def runtest(self) -> None:
        """Hold what came of it against what is right."""
        from harness.report.plain_text import plain_row

        if self._tried and self._tried.judgement == "wrong":
            pytest.fail(plain_row(self._tried), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Where it is, for a report."""
        return self.path, None, self.name


def _location(planned: PlannedCase) -> str:
    """The file or link of an entry; a recipe is built."""
    from harness.matrix.acquire import acquire
    from harness.matrix.stop import Stop

    image = acquire(planned, Stop(), lambda _: None)
    return image.location if planned.entry.url else str(image.folder / image.location)


def _run_dir(config: pytest.Config, name: str) -> Path:
    from harness.trial.run_folder import new_run_dir

    base = config.getoption("--harness-run-dir")
    return new_run_dir(name, (config.invocation_params.dir / base) if base else None)


class _Wish(NamedTuple):
    """What a test wants to have booted; ``folder`` is where its path begins."""

    image: str
    folder: Path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that uses ``booted`` runs once for each image."""
    if "booted" not in metafunc.fixturenames:
        return
    config, marker = metafunc.config, metafunc.definition.get_closest_marker("booted")
    images = marker.kwargs.get("image", marker.args) if marker else ()
    folder = metafunc.definition.path.parent
    if not images:
        images, folder = config.getoption("--harness-image"), config.invocation_params.dir
    if not isinstance(images, list | tuple):
        images = [images]
    wishes = [_Wish(str(image), folder) for image in images]
    if wishes:
        ids = [Path(wish.image).stem for wish in wishes]
        metafunc.parametrize("booted", wishes, ids=ids, indirect=True)


@pytest.fixture
def booted(request: pytest.FixtureRequest) -> Iterator[LiveMachine]:
    """A running machine around the image of the mark ``booted``, or of ``--harness-image``.

    It has reached the network, or the stage ``until`` of the mark; an image that does not come so
    far fails the test with the diagnosis.
    """
    import harness
    from harness.errors import HarnessError
    from harness.evidence.guest_text import printable
    from harness.report.plain_text import plain_findings

    wish: _Wish | None = getattr(request, "param", None)
    if wish is None:
        pytest.fail(_NAMELESS, pytrace=False)
    marker = request.node.get_closest_marker("booted")
    said = dict(marker.kwargs) if marker else {}
    said.pop("image", None)
    until = said.pop("until", "network")
    try:
        location, of_entry = _find(wish, request.config)
        run_dir = _run_dir(request.config, location)
        request.node.add_report_section("setup", "run folder", str(run_dir))
        request.node.user_properties.append(("run_dir", str(run_dir)))
        words = {
            "until": until if until in ("seed", "ready") else "network",
            "accel": request.config.getoption("--harness-accel"),
            **of_entry,
            **said,
        }
        with harness.open(location, run_dir=run_dir, **words) as machine:
            machine.wait_for_stage(until)
            yield machine
    except HarnessError as error:
        lines = [*plain_findings(getattr(error, "findings", ()), getattr(error, "cause", None))]
        # What an error with findings says is the statement of one of them.
        text = "\n".join(lines or [printable(str(error), 1000)])
        raise pytest.fail.Exception(text, pytrace=False) from None


def _find(wish: _Wish, config: pytest.Config) -> tuple[str, dict[str, Any]]:
    """Location of an image, and what its entry says of the machine where it is the name of one."""
    from harness.matrix.catalog import load_catalogs
    from harness.net.link import is_url

    if is_url(wish.image):
        return wish.image, {}
    catalogs = config.getini("harness_catalogs")
    if "/" not in wish.image and catalogs and not (wish.folder / wish.image).exists():
        for planned in load_catalogs(catalogs):
            if planned.entry.name == wish.image:
                entry = planned.entry
                return _location(planned), {"provider": entry.provider, "firmware": entry.firmware}
    return str(wish.folder / wish.image), {}

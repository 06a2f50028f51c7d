"""The plugin of pytest: catalogs are test files, and ``booted`` is a fixture of a running machine.

It is loaded into every run of pytest where harness is installed. So it imports modules only where
it needs them, and collects only catalogs that were named.
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
# Marks with a meaning in pytest: a tag of that name must not skip an image.
_TAKEN = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})
_NAMELESS = "booted: say which image: @pytest.mark.booted(image=...), or --harness-image PATH."


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the plugin; their names begin with ``--harness``."""
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
    """Register the mark ``booted``."""
    what = "the machine that the fixture of this name gives; image is a path, a link or a name"
    config.addinivalue_line("markers", f"booted(image, until, firmware, provider): {what}")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Return a collector for a catalog that was asked for; None for any other file."""
    if file_path.suffix != ".toml" or not _is_asked_for(file_path, parent.config):
        return None
    return CatalogFile.from_parent(parent, path=file_path)


def _is_asked_for(path: Path, config: pytest.Config) -> bool:
    """Tell whether ``path`` is named, or looks like a catalog and its folder is named.

    ``testpaths`` is not meant for this: only arguments of the command line count.
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
    """Tell whether a file has images in it; a broken catalog is reported, not skipped."""
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
        """Yield the images in the order of the file; raises CollectError with all its faults."""
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
    """Register ``tags`` as marks, for --strict-markers."""
    known = {line.partition(":")[0].partition("(")[0].strip() for line in config.getini("markers")}
    for tag in sorted({*tags} - known - _TAKEN):
        config.addinivalue_line("markers", f"{tag}: images with this tag")


class ImageItem(pytest.Item):
    """An image of a catalog. A fault of this host is an error, not a failure of the test."""

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
        properties = {"outcome": result.outcome, "stage": result.stage, "cause": result.cause}
        self.user_properties += [(name, value or "") for name, value in properties.items()]
        self.user_properties.append(("run_dir", str(run_dir)))
        if tried.judgement == "error":
            pytest.fail(plain_row(tried), pytrace=False)

    def runtest(self) -> None:
        """Fail where the result is not as expected."""
        from harness.report.plain_text import plain_row

        if self._tried and self._tried.judgement == "wrong":
            pytest.fail(plain_row(self._tried), pytrace=False)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return the location of the test for a report."""
        return self.path, None, self.name


def _location(planned: PlannedCase) -> str:
    """Return the file or link of an entry; a recipe is built."""
    from harness.matrix.acquire import acquire
    from harness.matrix.stop import Stop

    image = acquire(planned, Stop(), lambda _: None)
    return image.location if planned.entry.url else str(image.folder / image.location)


def _run_dir(config: pytest.Config, name: str) -> Path:
    from harness.trial.run_folder import new_run_dir

    base = config.getoption("--harness-run-dir")
    return new_run_dir(name, (config.invocation_params.dir / base) if base else None)


class _BootedImage(NamedTuple):
    """The image for the fixture ``booted``; a path is relative to ``folder``."""

    location: str
    folder: Path


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that uses ``booted`` once for each image."""
    if "booted" not in metafunc.fixturenames:
        return
    config, marker = metafunc.config, metafunc.definition.get_closest_marker("booted")
    images = marker.kwargs.get("image", marker.args) if marker else ()
    folder = metafunc.definition.path.parent
    if not images:
        images, folder = config.getoption("--harness-image"), config.invocation_params.dir
    if not isinstance(images, list | tuple):
        images = [images]
    booted_images = [_BootedImage(str(image), folder) for image in images]
    if booted_images:
        ids = [Path(image.location).stem for image in booted_images]
        metafunc.parametrize("booted", booted_images, ids=ids, indirect=True)


@pytest.fixture
def booted(request: pytest.FixtureRequest) -> Iterator[LiveMachine]:
    """Yield a running machine with the image of the mark ``booted``, or of ``--harness-image``.

    It has reached the network, or the stage ``until`` of the mark; an image that does not reach it
    fails the test with the diagnosis.
    """
    import harness
    from harness.errors import HarnessError
    from harness.evidence.guest_text import printable
    from harness.report.plain_text import plain_findings

    image: _BootedImage | None = getattr(request, "param", None)
    if image is None:
        pytest.fail(_NAMELESS, pytrace=False)
    marker = request.node.get_closest_marker("booted")
    options = dict(marker.kwargs) if marker else {}
    options.pop("image", None)
    until = options.pop("until", "network")
    try:
        location, entry_options = _find(image, request.config)
        run_dir = _run_dir(request.config, location)
        request.node.add_report_section("setup", "run folder", str(run_dir))
        request.node.user_properties.append(("run_dir", str(run_dir)))
        machine_options = {
            "until": until if until in ("seed", "ready") else "network",
            "accel": request.config.getoption("--harness-accel"),
            **entry_options,
            **options,
        }
        with harness.open(location, run_dir=run_dir, **machine_options) as machine:
            machine.wait_for_stage(until)
            yield machine
    except HarnessError as error:
        lines = [*plain_findings(getattr(error, "findings", ()), getattr(error, "cause", None))]
        # The message of an error with findings is the statement of one of them.
        text = "\n".join(lines or [printable(str(error), 1000)])
        raise pytest.fail.Exception(text, pytrace=False) from None


def _find(image: _BootedImage, config: pytest.Config) -> tuple[str, dict[str, Any]]:
    """Return the location of an image, and the machine's options if it names an entry."""
    from harness.matrix.catalog import load_catalogs
    from harness.net.link import is_url

    if is_url(image.location):
        return image.location, {}
    catalogs = config.getini("harness_catalogs")
    if "/" not in image.location and catalogs and not (image.folder / image.location).exists():
        for planned in load_catalogs(catalogs):
            if planned.entry.name == image.location:
                entry = planned.entry
                return _location(planned), {"provider": entry.provider, "firmware": entry.firmware}
    return str(image.folder / image.location), {}

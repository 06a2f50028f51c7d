"""Run the gallery: ``python -m images.gallery [NAME …] [-- OPTION …]``.

Builds entries, verifies each with the program itself, and prints a table of what was expected and
what was seen. Options after ``--`` go to ``harness verify``. The exit status is 1 where something
is wrong, 4 where something could not be tried.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from images.gallery.build import build_entry
from images.gallery.calibrate import calibrate, calibration_table
from images.gallery.catalog import catalog
from images.gallery.entry import entry_names, load_entry
from images.gallery.runner import EntryRun, compare, recorded, run_entry, table
from images.recipe import RecipeError
from images.steps import say


def main() -> int:
    """Run the program, and return its exit status."""
    words, options = _split(sys.argv[1:])
    wanted = _parser().parse_args(words)
    try:
        names = _selected(wanted.names)
        for name in names if wanted.list else ():
            print(f"{name}: {load_entry(name).description}")
        for name in names if wanted.build else ():
            print(build_entry(name), flush=True)
    except (RecipeError, OSError) as error:
        sys.stderr.write(f"images.gallery: {error}\n")
        return 4
    if wanted.catalog:
        print(catalog(names), end="")
    if wanted.list or wanted.build or wanted.catalog:
        return 0
    if wanted.calibrate:
        return _calibrate(names)
    if wanted.recorded:
        return _recorded(names)
    if wanted.keep_runs:
        wanted.keep_runs.mkdir(parents=True, exist_ok=True)
        return _run(names, options, wanted.jobs, wanted.keep_runs, wanted.record)
    with tempfile.TemporaryDirectory(prefix="harness-gallery-", dir="/var/tmp") as runs:
        return _run(names, options, wanted.jobs, Path(runs), wanted.record)


def _run(names: list[str], options: list[str], jobs: int, runs: Path, record: Path | None) -> int:
    def one(name: str) -> EntryRun | None:
        try:
            return run_entry(name, options, runs, record)
        except (RecipeError, OSError) as error:
            say(f"{name}: {error}")
            return None

    with ThreadPoolExecutor(jobs) as pool:
        try:
            tried = list(pool.map(one, names))
        except KeyboardInterrupt:
            pool.shutdown(cancel_futures=True)
            return 130
    rows = [row for row in tried if row]
    print(table(rows))
    if len(rows) < len(names):
        missing = ", ".join(name for name, row in zip(names, tried, strict=True) if not row)
        print(f"Not tried: {missing}.")
        return 4
    return 1 if any(row.wrong for row in rows) else 0


def _calibrate(names: list[str]) -> int:
    rows = []
    for name in names:
        try:
            rows.append(calibrate(name))
        except (RecipeError, OSError) as error:
            say(f"{name}: {error}")
    print(calibration_table(rows))
    if len(rows) < len(names):
        return 4
    return 1 if any(row.wrong for row in rows) else 0


def _recorded(names: list[str]) -> int:
    rows = [compare(name, load_entry(name), recorded(name), None, 0.0) for name in names]
    print(table(rows))
    return 1 if any(row.wrong for row in rows) else 0


def _split(words: list[str]) -> tuple[list[str], list[str]]:
    """Split the arguments at "--"."""
    if "--" not in words:
        return words, []
    at = words.index("--")
    return words[:at], words[at + 1 :]


def _selected(names: list[str]) -> list[str]:
    for name in names:
        load_entry(name)
    return list(dict.fromkeys(names)) or entry_names()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m images.gallery", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="entries; all where none is named")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="say what there is, and run nothing")
    what.add_argument("--build", action="store_true", help="build the images, print their paths")
    what.add_argument(
        "--catalog", action="store_true", help="print a catalog for harness matrix, run nothing"
    )
    what.add_argument(
        "--calibrate",
        action="store_true",
        help="boot nothing: inspect the images, and hold the predictions against recorded boots",
    )
    what.add_argument(
        "--recorded", action="store_true", help="boot nothing: judge the recorded runs again"
    )
    parser.add_argument("-j", "--jobs", type=int, default=1, help="so many machines at once")
    parser.add_argument("--keep-runs", type=Path, metavar="DIR", help="keep the run folders there")
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write the evidence of every run there, packed"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

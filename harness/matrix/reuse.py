"""The reuse of results: an image is not booted again if nothing that decided its result changed.

A key stands for all of that. If two keys are equal, another boot would only repeat the first.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable

from harness import __version__
from harness.matrix.catalog import CatalogEntry, PlannedCase
from harness.matrix.record import CaseRow, entry_fields
from harness.provider.profile import load_profile

NOT_IN_KEY = frozenset({"name", "description", "tags", "deadline_s", "expected", "why"})
"""Fields of an entry that change no verdict. A late run is an error, and errors are never reused;
the judgement is made again."""


@cache
def own_files() -> str:
    """Return a digest of the files of harness that take part in a verdict."""
    root = resources.files("harness")
    parts = {name: _digest(file.read_bytes()) for name, file in _files(root, "") if _counts(name)}
    return _digest(json.dumps(parts, sort_keys=True).encode())


def _counts(name: str) -> bool:
    """Tell whether a file takes part: reports do not, and the entry's profile is in its key."""
    profile = name.startswith("provider/") and name.endswith(".toml")
    return not (profile or name.startswith("report/") or name.endswith(".pyc"))


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    """Yield every file below ``folder`` with its path from there."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        else:
            yield f"{above}{entry.name}", entry


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class ReuseConditions:
    """The conditions that decide a result beside the image and its entry.

    ``accel`` is the accelerator that was chosen, never "auto". ``files`` is a digest of the tool's
    own files. ``rules`` are the texts of the user's own tables.
    """

    qemu: str
    accel: str
    backend: str = "qemu"
    counterfactual: bool = True
    rules: tuple[str, ...] = ()
    version: str = __version__
    files: str = field(default_factory=own_files)


def reuse_key(entry: CatalogEntry, sha256: str, conditions: ReuseConditions) -> str:
    """Return the key of a result of ``entry``: 32 hexadecimal digits.

    It is made of all that can change the result:

    - the image, by its SHA-256. Its source is a field of the entry: the file name and the server
      give findings;
    - every field of the entry that is not in ``NOT_IN_KEY``, and the claims of its provider's
      profile;
    - the tool: its version, and its code and tables, which can change without a new version;
    - the version of QEMU, and the accelerator (KVM or TCG); the option of a second boot, and the
      user's own rules.

    The speed of the host and the versions of other programs are no part of it.
    """
    parts = {
        "image": sha256,
        "entry": entry.model_dump(mode="json", exclude=set(NOT_IN_KEY)),
        "profile": load_profile(entry.provider).model_dump(mode="json"),
        "ground": asdict(conditions),
    }
    return _digest(json.dumps(parts, sort_keys=True).encode())


def reused_row(planned: PlannedCase, known: CaseRow) -> CaseRow:
    """Return the row of ``planned`` in today's matrix from the ``known`` result.

    It is judged by today's expectation. Its run is not in the folder of today's matrix.
    """
    result = known.result.model_copy(update={"run_dir": None})
    today = entry_fields(planned, result)
    return known.model_copy(update={**today, "run_dir": None, "reused": True})

"""Whether an image has to be booted again: not where all that decided its last result is the same.

A key stands for all of that. Where two keys are equal, another boot would ask the same question.
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
from harness.matrix.catalog import Entry, Planned
from harness.matrix.record import Tried, of_entry
from harness.provider.profile import load_profile

NOT_IN_KEY = frozenset({"name", "description", "tags", "deadline_s", "expected", "why"})
"""Fields of an entry that change no verdict. A late run is an error, and no error is used again;
what is expected is judged again."""


@cache
def own_files() -> str:
    """A digest of the files of harness that have a part in a verdict."""
    root = resources.files("harness")
    parts = {name: _digest(file.read_bytes()) for name, file in _files(root, "") if _counts(name)}
    return _digest(json.dumps(parts, sort_keys=True).encode())


def _counts(name: str) -> bool:
    """A report only shows what was found; of the profiles, that of the entry is in its key."""
    profile = name.startswith("provider/") and name.endswith(".toml")
    return not (profile or name.startswith("report/") or name.endswith(".pyc"))


def _files(folder: Traversable, above: str) -> Iterator[tuple[str, Traversable]]:
    """Every file below ``folder``, with its name from there."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry, f"{above}{entry.name}/")
        else:
            yield f"{above}{entry.name}", entry


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a result stands on, beside the image and its entry.

    ``accel`` is the accelerator that was chosen, never "auto". ``files`` is a digest of the tool's
    own files. ``rules`` are the texts of tables of the user's own.
    """

    qemu: str
    accel: str
    backend: str = "qemu"
    counterfactual: bool = True
    rules: tuple[str, ...] = ()
    version: str = __version__
    files: str = field(default_factory=own_files)


def reuse_key(entry: Entry, sha256: str, ground: Ground) -> str:
    """The key of a result of ``entry``: 32 hexadecimal digits.

    It holds, because each of them can change what comes of it:

    - the image, by its SHA-256. Where it comes from is a field of the entry: its name and its
      server give findings;
    - every field of the entry that is not in ``NOT_IN_KEY``, and the claims of its provider's
      profile;
    - the tool: its version, and its code and tables, which change without one;
    - the QEMU, and whether KVM or TCG runs the guest; whether a failure is tried once more, and the
      user's own rules.

    It does not hold how fast the host is, nor the versions of other programs.
    """
    held = {
        "image": sha256,
        "entry": entry.model_dump(mode="json", exclude=set(NOT_IN_KEY)),
        "profile": load_profile(entry.provider).model_dump(mode="json"),
        "ground": asdict(ground),
    }
    return _digest(json.dumps(held, sort_keys=True).encode())


def again(planned: Planned, known: Tried) -> Tried:
    """The row of ``planned`` in today's matrix, by a result that is ``known``.

    It is judged by what is expected today. Its run is not in the folder of today's matrix.
    """
    result = known.result.model_copy(update={"run_dir": None})
    today = of_entry(planned, result)
    return known.model_copy(update={**today, "run_dir": None, "reused": True})

"""The parser of the checksum files that distributions publish beside their images.

It reads the output of sha256sum(1) and similar tools (``HEX  name``, ``HEX *name``), the BSD style
(``SHA256 (name) = HEX``), and a file with one digest and no name. A PGP signature around or after
the rows is skipped and **not verified**: a checksum proves that a file is the one in the list, and
the list is trusted as far as the server and TLS are. MD5 and SHA-1 are ignored because they are
not collision-resistant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Algorithm = Literal["sha256", "sha384", "sha512"]

MAX_BYTES = 1 << 20
"""The part of a checksum file that is read."""

_LINE_CHARACTERS = 1 << 12
_NAME_CHARACTERS = 255
_BY_LENGTH: dict[int, Algorithm] = {64: "sha256", 96: "sha384", 128: "sha512"}
_HEX = r"([0-9a-fA-F]{64,128})"
_PLAIN = re.compile(rf"{_HEX}[ \t]+\*?(\S.*)")
_BSD = re.compile(rf"SHA(?:2-)?(256|384|512) ?\((.+)\) ?= ?{_HEX}")
_BARE = re.compile(_HEX)
_SIGNED_HEADER = "-----BEGIN PGP SIGNED MESSAGE-----"
_PRERELEASE = re.compile(r"(?<![a-z])(?:alpha|beta|rc|pre|dev)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checksum:
    """The expected digest of a file. ``hex`` is in lower case; ``source`` names its origin."""

    algorithm: Algorithm
    hex: str
    source: str = ""


def checksum_for(text: str, name: str, *, of_any_name: bool = False) -> Checksum | None:
    """The first checksum of the file ``name`` in a checksum file; None if missing.

    A row without a folder has priority over one in a folder. Files of this name in several folders
    with different digests give None. A single digest without a name counts for any file; with
    ``of_any_name`` so does a single row with another name, as beside links that always lead to the
    newest build. Never raises.
    """
    rows = tuple(_rows(text))
    named = [checksum for path, checksum in rows if path.removeprefix("./") == name]
    named = named or [checksum for path, checksum in rows if _file_name(path) == name]
    if not named and len(rows) == 1 and (of_any_name or not rows[0][0]):
        return rows[0][1]
    first = named[0] if named else None
    differ = any(row != first for row in named if first and row.algorithm == first.algorithm)
    return None if differ else first


def newest_name(text: str, pattern: str) -> str | None:
    """The name in ``text`` that matches ``pattern`` (fnmatch) and has the highest version.

    Numbers in names are compared by value; alpha, beta, rc, pre and dev versions are older than
    releases. None where no name matches. Never raises.
    """
    names = {_file_name(path) for path, _ in _rows(text)} - {"", ".", ".."}
    short = [name for name in names if len(name) <= _NAME_CHARACTERS]
    return max(
        (name for name in short if fnmatchcase(name, pattern)), key=_version_key, default=None
    )


def _version_key(name: str) -> tuple[bool, list[tuple[int, str]], str]:
    """Return a sort key for the version in a name: a number sorts after any character."""
    parts: list[str] = re.findall(r"[0-9]+|[^0-9]", name)
    # Numbers stay text, without leading zeros: int() refuses thousands of digits.
    sortable = [
        (1 + len(part.lstrip("0")), part.lstrip("0")) if "0" <= part[0] <= "9" else (0, part)
        for part in parts
    ]
    return not _PRERELEASE.search(name), sortable, name


def _file_name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _rows(text: str) -> Iterator[tuple[str, Checksum]]:
    """Yield each path with its checksum; the path of a digest without a name is ""."""
    for line in _signed_lines(text[:MAX_BYTES]):
        if len(line) > _LINE_CHARACTERS:
            continue
        row = line.strip()
        if match := _PLAIN.fullmatch(row):
            digest, path, bits = match[1], match[2], len(match[1]) * 4
        elif match := _BSD.fullmatch(row):
            digest, path, bits = match[3], match[2], int(match[1])
        elif match := _BARE.fullmatch(row):
            digest, path, bits = match[1], "", len(match[1]) * 4
        else:
            continue
        algorithm = _BY_LENGTH.get(len(digest))
        if algorithm and len(digest) * 4 == bits:
            yield path, Checksum(algorithm, digest.lower())


def _signed_lines(text: str) -> Iterator[str]:
    """Yield the lines of ``text``; of a cleartext-signed one, the signed lines (RFC 9580, 7)."""
    lines = re.split(r"\r\n|\r|\n", text)
    wrapped = _SIGNED_HEADER in (line.strip() for line in lines)
    inside = not wrapped
    in_header = False
    for line in lines:
        row = line.strip()
        if row == _SIGNED_HEADER:
            inside = in_header = True
        elif row.startswith("-----BEGIN PGP"):
            inside = False
        elif row.startswith("-----END PGP"):
            inside = not wrapped
        elif in_header:
            in_header = bool(row)
        elif inside:
            yield line.removeprefix("- ") if wrapped else line

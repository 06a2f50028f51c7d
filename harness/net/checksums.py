"""The files of checksums that distributions publish beside their images: text, and no network.

Read are the output of sha256sum(1) and its like (``HEX  name``, ``HEX *name``), the BSD style
(``SHA256 (name) = HEX``), and a file that is one digest alone. A PGP signature around or after
them is left out and **not verified**: a checksum shows that a file is the one that its list names,
and the list is trusted as far as the server and TLS are. MD5 and SHA-1 are not taken: a file can be
made to fit them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

Algorithm = Literal["sha256", "sha384", "sha512"]

MAX_BYTES = 1 << 20
"""More of a text than this is not read."""

_LINE_CHARACTERS = 1 << 12
_NAME_CHARACTERS = 255
_BY_LENGTH: dict[int, Algorithm] = {64: "sha256", 96: "sha384", 128: "sha512"}
_HEX = r"([0-9a-fA-F]{64,128})"
_PLAIN = re.compile(rf"{_HEX}[ \t]+\*?(\S.*)")
_BSD = re.compile(rf"SHA(?:2-)?(256|384|512) ?\((.+)\) ?= ?{_HEX}")
_BARE = re.compile(_HEX)
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----"
_PRERELEASE = re.compile(r"(?<![a-z])(?:alpha|beta|rc|pre|dev)(?![a-z])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Checksum:
    """What a file must hash to; ``hex`` is in lower case. ``source`` names who says so."""

    algorithm: Algorithm
    hex: str
    source: str = ""


def checksum_for(text: str, name: str, *, of_it_alone: bool = False) -> Checksum | None:
    """The checksum of the file ``name`` in a file of checksums, the first that names it.

    A name without a folder goes before one in a folder; where files of this name in several folders
    differ, there is none. A text that is one digest alone is that of any name; ``of_it_alone`` says
    that so is one line with another name, as beside links that always lead to the newest build.
    Never raises.
    """
    rows = tuple(_rows(text))
    named = [checksum for path, checksum in rows if path.removeprefix("./") == name]
    named = named or [checksum for path, checksum in rows if _base(path) == name]
    if not named and len(rows) == 1 and (of_it_alone or not rows[0][0]):
        return rows[0][1]
    first = named[0] if named else None
    differ = any(row != first for row in named if first and row.algorithm == first.algorithm)
    return None if differ else first


def newest(text: str, pattern: str) -> str | None:
    """The name that matches ``pattern`` (fnmatch) with the highest version, of those in ``text``.

    Numbers in names are compared as numbers, and what calls itself alpha, beta, rc, pre or dev is
    older than what does not. None where no name matches. Never raises.
    """
    names = {_base(path) for path, _ in _rows(text)} - {"", ".", ".."}
    short = [name for name in names if len(name) <= _NAME_CHARACTERS]
    return max((name for name in short if fnmatchcase(name, pattern)), key=_age, default=None)


def _age(name: str) -> tuple[bool, list[tuple[int, str]], str]:
    """What sorts names by their version: a number is more than any character in its place."""
    parts: list[str] = re.findall(r"[0-9]+|[^0-9]", name)
    # Numbers stay text, without their zeros in front: one of thousands of digits is no int.
    weighed = [
        (1 + len(part.lstrip("0")), part.lstrip("0")) if "0" <= part[0] <= "9" else (0, part)
        for part in parts
    ]
    return not _PRERELEASE.search(name), weighed, name


def _base(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def _rows(text: str) -> Iterator[tuple[str, Checksum]]:
    """Every path with its checksum; the path is "" of a digest that stands alone."""
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
    """The lines of ``text``; of a clear-signed one, those that are signed (RFC 9580, 7)."""
    lines = re.split(r"\r\n|\r|\n", text)
    wrapped = _SIGNED in (line.strip() for line in lines)
    inside = not wrapped
    in_header = False
    for line in lines:
        row = line.strip()
        if row == _SIGNED:
            inside = in_header = True
        elif row.startswith("-----BEGIN PGP"):
            inside = False
        elif row.startswith("-----END PGP"):
            inside = not wrapped
        elif in_header:
            in_header = bool(row)
        elif inside:
            yield line.removeprefix("- ") if wrapped else line

"""The fonts of PC consoles, read from firmware and packages on this host.

harness ships no fonts. The VGA BIOS of SeaBIOS holds those of text modes. QEMU's own text consoles
use the 8x16 of Linux (its ``ui/vgafont.h`` is Linux's ``lib/fonts/font_8x16.c``), which differs in
eleven letters and digits. OVMF holds the font of the graphical console of UEFI, the GRUB package
that of its graphical terminal.
"""

from __future__ import annotations

import lzma
import re
import shutil
import struct
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

# Paths of Debian, Ubuntu, Fedora and a QEMU built from source.
_VGA_BIOSES = (
    "/usr/share/seabios/vgabios-stdvga.bin",
    "/usr/share/qemu/vgabios-stdvga.bin",
    "/usr/share/seavgabios/vgabios-stdvga.bin",
    "/usr/local/share/qemu/vgabios-stdvga.bin",
)
_OVMFS = (
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_CODE.fd",
    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
)
_GRUB_FONTS = ("/usr/share/grub/ascii.pf2", "/usr/share/grub2/ascii.pf2")

# IBM's glyphs for the codes that are controls elsewhere (IBM code page 437, 0x00 to 0x1F, 0x7F).
_CONTROL_GLYPHS = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437 = (
    (_CONTROL_GLYPHS + bytes(range(0x20, 0x100)).decode("cp437"))
    .replace("\x7f", "⌂")
    .replace("\xa0", " ")
)
"""The character of each of the 256 codes of code page 437."""

# Box drawing: the VGA repeats their eighth column in the ninth, so that lines meet
# (IBM VGA, attribute controller, "line graphics enable").
_BOX_DRAWING = range(0xC0, 0xE0)

# UEFI PI 1.7, volume 3, section 2.2: an LZMA section is this GUID, the offset of the data and
# attributes (16 bits each), behind the four bytes of a section's head.
_LZMA_SECTION = uuid.UUID("EE4E5898-3914-4259-9D6E-DC7BD79403CF").bytes_le
_SECTION_HEAD_BYTES = 4
# UEFI 2.10, section 33.3.2: EFI_NARROW_GLYPH is the code, attributes, and 19 rows of 8 pixels.
_NARROW_BYTES = 22
_NARROW_ROWS = 19

# GRUB, grub-core/font/font.c, "PFF2": sections of a name and a length, both of 32 bits; the index
# has 9 bytes a glyph; a glyph has width, height, two offsets and its advance, then packed pixels.
_SECTION = struct.Struct(">4sI")
_INDEX_ENTRY = struct.Struct(">IBI")
_GLYPH = struct.Struct(">HHhhh")


@dataclass(frozen=True, slots=True)
class Font:
    """A bitmap font. ``glyphs`` maps the pixels of a cell to its character.

    The pixels are one number; the first pixel of the top row is its highest bit.
    """

    name: str
    width: int
    height: int
    glyphs: Mapping[int, str]


@cache
def console_fonts() -> tuple[Font, ...]:
    """All fonts on this host, the most common first; none without firmware.

    Editions of one font are merged.
    """
    emulator = shutil.which("qemu-system-x86_64") or ""
    fonts: dict[str, Font] = {}
    for font in (
        *vga_fonts(_first_file(_VGA_BIOSES)),
        *vga_fonts(_first_file((emulator,))),
        *uefi_fonts(_first_file(_OVMFS)),
        *grub_fonts(_first_file(_GRUB_FONTS)),
    ):
        other = fonts.get(font.name, font)
        fonts[font.name] = replace(font, glyphs={**font.glyphs, **other.glyphs})
    return tuple(fonts.values())


def _first_file(paths: tuple[str, ...]) -> bytes:
    for path in map(Path, paths):
        if path.is_file():
            return path.read_bytes()
    return b""


def vga_fonts(rom: bytes) -> list[Font]:
    """The fonts of 16, 14 and 8 rows in ``rom``, each with cells of 8 and of 9 columns.

    They are found by the order of code page 437: the lower half block (0xDC), the left one, the
    right one, the upper one.
    """
    fonts = []
    for rows in (16, 8, 14):
        match = re.search(rb"\xff\xf0{%d}\x0f{%d}\xff" % (rows, rows), rom)
        at = match.start() + 1 - 0xDD * rows if match else -1
        if at < 0:
            continue
        glyphs = [rom[at + code * rows : at + (code + 1) * rows] for code in range(256)]
        fonts += [_vga_font(glyphs, rows, columns) for columns in (8, 9)]
    return fonts


def _vga_font(glyphs: list[bytes], rows: int, columns: int) -> Font:
    known: dict[int, str] = {}
    # Printable ASCII wins where two codes look alike.
    for code in sorted(range(256), key=lambda code: not 0x20 <= code < 0x7F):
        bits = 0
        for row in glyphs[code]:
            wide = row << 1 | (row & 1 if code in _BOX_DRAWING else 0)
            bits = bits << columns | (row if columns == 8 else wide)
        known.setdefault(bits, CP437[code])
    return Font(f"vga {columns}x{rows}", columns, rows, known)


def uefi_fonts(firmware: bytes) -> Iterator[Font]:
    """Yield the 8x19 font in an OVMF, if there is one."""
    at = firmware.find(_LZMA_SECTION)
    if at < _SECTION_HEAD_BYTES:
        return
    head = at + len(_LZMA_SECTION)
    offset = int.from_bytes(firmware[head : head + 2], "little")
    packed = firmware[at - _SECTION_HEAD_BYTES + offset :]
    try:
        volume = lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(packed)
    except lzma.LZMAError:
        return
    # The table begins with the blank and the exclamation mark.
    match = re.search(rb" \0\0" + rb"\0" * _NARROW_ROWS + rb"!\0\0", volume)
    if match:
        yield Font("uefi 8x19", 8, _NARROW_ROWS, _narrow_glyphs(volume[match.start() :]))


def _narrow_glyphs(table: bytes) -> dict[int, str]:
    """The glyphs of the table, which ends where the codes no longer increase."""
    known: dict[int, str] = {}
    last = 0
    for at in range(0, len(table) - _NARROW_BYTES, _NARROW_BYTES):
        code = int.from_bytes(table[at : at + 2], "little")
        if code <= last:
            break
        last = code
        known.setdefault(int.from_bytes(table[at + 3 : at + _NARROW_BYTES], "big"), chr(code))
    return known


def grub_fonts(file: bytes) -> Iterator[Font]:
    """Yield the font in a PFF2 file, in the cells of 8 columns of GRUB's graphical terminal."""
    try:
        sections = dict(_pff2_sections(file))
        ascent, descent = (int.from_bytes(sections[name], "big") for name in (b"ASCE", b"DESC"))
        known: dict[int, str] = {}
        for code, _, at in _INDEX_ENTRY.iter_unpack(sections[b"CHIX"]):
            pixels = _pff2_cell(file, at, ascent, descent)
            if pixels is not None:
                known.setdefault(pixels, chr(code))
    except (KeyError, ValueError, struct.error):
        return
    yield Font(f"grub 8x{ascent + descent}", 8, ascent + descent, known)


def _pff2_sections(file: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at + _SECTION.size <= len(file):
        name, size = _SECTION.unpack_from(file, at)
        at += _SECTION.size
        yield name, file[at : at + size]
        if name == b"DATA":  # the last section, whose size is not stated
            return
        at += size


def _pff2_cell(file: bytes, at: int, ascent: int, descent: int) -> int | None:
    """The pixels of a cell with the glyph at this offset; None for a glyph of another width."""
    width, height, left, bottom, advance = _GLYPH.unpack_from(file, at)
    if advance != 8 or not 0 <= left <= 8 - width:
        return None
    body = at + _GLYPH.size
    packed = file[body : body + -(-width * height // 8)]
    bits = f"{int.from_bytes(packed, 'big'):0{len(packed) * 8}b}"
    cell = 0
    for y in range(height):
        below = descent + bottom + height - 1 - y
        if 0 <= below < ascent + descent and width:
            row = int(bits[y * width : (y + 1) * width], 2) << 8 - width - left
            cell |= row << 8 * below
    return cell

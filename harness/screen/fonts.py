"""The fonts that a PC draws its consoles with, taken from what is on this host.

None is shipped here. The VGA BIOS of SeaBIOS holds those of text modes. QEMU's own text consoles
use the 8x16 of Linux (its ``ui/vgafont.h`` is Linux's ``lib/fonts/font_8x16.c``), which differs in
eleven letters and digits. OVMF holds the font of UEFI's graphical console, GRUB's package that of
its graphical terminal.
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

# Where Debian, Ubuntu, Fedora and a QEMU of one's own keep them.
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
_LOW = " ☺☻♥♦♣♠•◘○◙♂♀♪♫☼►◄↕‼¶§▬↨↑↓→←∟↔▲▼"
CP437 = (_LOW + bytes(range(0x20, 0x100)).decode("cp437")).replace("\x7f", "⌂").replace("\xa0", " ")
"""The character of each of the 256 codes."""

# Box drawing: the VGA repeats their eighth column in the ninth, so that lines meet
# (IBM VGA, attribute controller, "line graphics enable").
_JOINED = range(0xC0, 0xE0)

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
    """``glyphs`` maps the pixels of a cell to its character.

    The pixels are one number, the first one of the top row its highest bit.
    """

    name: str
    width: int
    height: int
    glyphs: Mapping[int, str]


@cache
def console_fonts() -> tuple[Font, ...]:
    """Every font that this host has, the most usual first; none where it has no firmware.

    Editions of one font are one font here.
    """
    emulator = shutil.which("qemu-system-x86_64") or ""
    fonts: dict[str, Font] = {}
    for font in (
        *vga_fonts(_first(_VGA_BIOSES)),
        *vga_fonts(_first((emulator,))),
        *uefi_fonts(_first(_OVMFS)),
        *grub_fonts(_first(_GRUB_FONTS)),
    ):
        other = fonts.get(font.name, font)
        fonts[font.name] = replace(font, glyphs={**font.glyphs, **other.glyphs})
    return tuple(fonts.values())


def _first(paths: tuple[str, ...]) -> bytes:
    for path in map(Path, paths):
        if path.is_file():
            return path.read_bytes()
    return b""


def vga_fonts(rom: bytes) -> list[Font]:
    """The fonts of 16, 14 and 8 rows in ``rom``, each with cells of 8 and of 9 columns.

    They are found by the shape of code page 437: the left half block (0xDD) is followed by the
    right one, behind the lower half block and before the upper one.
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
            wide = row << 1 | (row & 1 if code in _JOINED else 0)
            bits = bits << columns | (row if columns == 8 else wide)
        known.setdefault(bits, CP437[code])
    return Font(f"vga {columns}x{rows}", columns, rows, known)


def uefi_fonts(firmware: bytes) -> Iterator[Font]:
    """The font of 8x19 in an OVMF, if one is found."""
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
    # The table begins with the blank, and the exclamation mark comes next.
    match = re.search(rb" \0\0" + rb"\0" * _NARROW_ROWS + rb"!\0\0", volume)
    if match:
        yield Font("uefi 8x19", 8, _NARROW_ROWS, _narrow_glyphs(volume[match.start() :]))


def _narrow_glyphs(table: bytes) -> dict[int, str]:
    """The glyphs until the codes no longer rise."""
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
    """The font in a PFF2 file, as GRUB's graphical terminal puts it into cells of 8 columns."""
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
        if name == b"DATA":  # the last one, whose size is not said
            return
        at += size


def _pff2_cell(file: bytes, at: int, ascent: int, descent: int) -> int | None:
    """The pixels of a cell with the glyph at this place; None for one of another width."""
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

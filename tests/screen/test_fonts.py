from pathlib import Path

from harness.screen.fonts import CP437, console_fonts, grub_fonts, uefi_fonts, vga_fonts
from tests.screen.pictures import font


def test_the_fonts_of_text_modes_uefi_and_grub_are_found_on_this_host() -> None:
    assert [font.name for font in console_fonts()] == [
        "vga 8x16",
        "vga 9x16",
        "vga 8x8",
        "vga 9x8",
        "vga 8x14",
        "vga 9x14",
        "uefi 8x19",
        "grub 8x16",
    ]


def test_every_printable_ascii_character_has_a_glyph() -> None:
    ascii_characters = {chr(code) for code in range(0x21, 0x7F)}
    for one in console_fonts():
        assert ascii_characters <= set(one.glyphs.values()), one.name


def test_the_glyph_of_a_letter_looks_like_it() -> None:
    bits = next(bits for bits, character in font("vga 8x8").glyphs.items() if character == "L")
    rows = [f"{row:08b}".replace("0", ".").replace("1", "#") for row in bits.to_bytes(8, "big")]
    assert rows == [
        "####....",
        ".##.....",
        ".##.....",
        ".##.....",
        ".##...#.",
        ".##..##.",
        "#######.",
        "........",
    ]


def test_linux_has_other_letters_than_the_vga_and_both_are_known() -> None:
    of_letter = [character for character in font("vga 8x16").glyphs.values() if character == "M"]
    assert len(of_letter) == 2


def test_files_without_a_font_give_none() -> None:
    junk = Path("/bin/sh").read_bytes()
    assert vga_fonts(junk) == []
    assert list(uefi_fonts(junk)) == list(grub_fonts(junk)) == []
    assert (vga_fonts(b""), list(uefi_fonts(b"")), list(grub_fonts(b""))) == ([], [], [])
    whole = Path("/usr/share/grub/ascii.pf2").read_bytes()
    for length in (0, 7, 100, 900, 1600, len(whole) // 2):
        assert list(grub_fonts(whole[:length])) == [], "a file that is cut off"


def test_code_page_437_has_no_control_characters() -> None:
    assert len(CP437) == 256
    assert CP437.isprintable()
    assert (CP437[0x41], CP437[0xC4], CP437[0xE1], CP437[0x01]) == ("A", "─", "ß", "☺")

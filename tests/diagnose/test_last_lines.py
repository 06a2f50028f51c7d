from harness.diagnose.last_lines import LastLines


def test_the_last_lines_are_kept_and_made_printable() -> None:
    words = LastLines()
    for number in range(20):
        words.add("serial", f"line {number}\x1b[31m")
    assert len(words.of("serial")) == 12
    assert words.of("serial")[-1].startswith("line 19")
    assert "\x1b" not in "".join(words.of("serial"))


def test_only_useful_lines_of_the_firmware_are_kept() -> None:
    words = LastLines()
    for line in ("PCI: init bdf=00:00.0", "Booting from DVD/CD...", "No bootable device."):
        words.add("firmware", line)
    assert words.of("firmware") == ("Booting from DVD/CD...", "No bootable device.")


def test_lines_that_differ_only_in_numbers_are_kept_once() -> None:
    words = LastLines()
    for line in ("[ (1*installer)  Nov 24 18:15 ]", "Loading", "[ (2*installer)  Nov 24 18:16 ]"):
        words.add_distinct("serial", line)
    assert words.of("serial") == ("[ (1*installer)  Nov 24 18:15 ]", "Loading")


def test_a_screen_replaces_the_one_before() -> None:
    words = LastLines()
    words.replace("screen", ["one", "two"])
    words.replace("screen", ["three"])
    assert words.of("screen") == ("three",)


def test_the_screen_replaces_an_empty_console_where_asked() -> None:
    words = LastLines()
    words.replace("screen", ["Select a language"])
    assert words.of_console(or_screen=False) == ()
    assert words.of_console(or_screen=True) == ("Select a language",)
    words.add("serial", "a word")
    assert words.of_console(or_screen=True) == ("a word",)

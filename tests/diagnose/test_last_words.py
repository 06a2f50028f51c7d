from harness.diagnose.last_words import LastWords


def test_the_last_lines_are_kept_and_made_printable() -> None:
    words = LastWords()
    for number in range(20):
        words.say("serial", f"line {number}\x1b[31m")
    assert len(words.of("serial")) == 12
    assert words.of("serial")[-1].startswith("line 19")
    assert "\x1b" not in "".join(words.of("serial"))


def test_of_the_firmware_only_what_means_something_is_kept() -> None:
    words = LastWords()
    for line in ("PCI: init bdf=00:00.0", "Booting from DVD/CD...", "No bootable device."):
        words.say("firmware", line)
    assert words.of("firmware") == ("Booting from DVD/CD...", "No bootable device.")


def test_what_differs_in_numbers_only_is_kept_once() -> None:
    words = LastWords()
    for line in ("[ (1*installer)  Nov 24 18:15 ]", "Loading", "[ (2*installer)  Nov 24 18:16 ]"):
        words.say_once("serial", line)
    assert words.of("serial") == ("[ (1*installer)  Nov 24 18:15 ]", "Loading")


def test_a_screen_replaces_the_one_before() -> None:
    words = LastWords()
    words.show("screen", ["one", "two"])
    words.show("screen", ["three"])
    assert words.of("screen") == ("three",)


def test_the_screen_stands_in_for_a_mute_console_where_it_may() -> None:
    words = LastWords()
    words.show("screen", ["Select a language"])
    assert words.of_console(or_screen=False) == ()
    assert words.of_console(or_screen=True) == ("Select a language",)
    words.say("serial", "a word")
    assert words.of_console(or_screen=True) == ("a word",)

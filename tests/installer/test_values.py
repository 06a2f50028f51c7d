import pytest
from pydantic import ValidationError

from harness.installer.values import (
    ARCHIVE_PLACEHOLDERS,
    PLACEHOLDERS,
    AnswerValues,
    PackageArchive,
    new_values,
)
from harness.seed.guest_network import GuestNetwork


def test_there_is_a_text_for_each_placeholder(values: AnswerValues) -> None:
    extra = ARCHIVE_PLACEHOLDERS if values.archive else frozenset()
    assert values.texts().keys() == PLACEHOLDERS | extra


def test_the_network_is_that_of_the_run(values: AnswerValues) -> None:
    texts = values.texts()
    assert texts["address"] == "203.0.113.10"
    assert texts["prefix_length"] == "24"
    assert texts["netmask"] == "255.255.255.0"
    assert texts["mac_with_dashes"] == "00-50-56-0a-0b-0c"


def test_the_password_is_of_this_run() -> None:
    one, two = (new_values("00:50:56:00:00:01", GuestNetwork(), "bios") for _ in range(2))
    assert one.password != two.password
    assert one.password_hash != two.password_hash


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("host_name", "a-name-of-16-char"),
        ("host_name", "two words"),
        ("host_name", "<name>"),
        ("mac", "00:50:56"),
        ("disk", "/dev/sda; reboot"),
        ("password", "it's wrong & short"),
        ("password_hash", "secret"),
        ("address", "203.0.113.300/24"),
    ],
)
def test_what_would_break_a_format_is_refused(values: AnswerValues, field: str, wrong: str) -> None:
    fields = values.model_dump() | {field: wrong}
    with pytest.raises(ValidationError, match=field):
        AnswerValues.model_validate(fields)


@pytest.mark.parametrize(("host", "directory"), [("a b", "/"), ("a", "debian"), ("a", '/"')])
def test_an_archive_has_a_host_and_a_path(host: str, directory: str) -> None:
    with pytest.raises(ValidationError):
        PackageArchive(host=host, directory=directory)

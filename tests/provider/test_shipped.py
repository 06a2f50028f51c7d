"""Every profile that ships: it validates, says where each claim is from, and can be one's own."""

import datetime
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.provider.profile import (
    Claim,
    load_profile,
    parse_profile,
    read_profile,
    shipped_profiles,
)
from tests.program import harness

FOLDER = Path(__file__).parents[2] / "harness" / "provider"


@pytest.mark.parametrize("name", shipped_profiles())
def test_every_claim_has_a_source_and_a_date(name: str) -> None:
    profile = load_profile(name)
    assert profile.name == name
    for part in (profile.machine, profile.seed, profile.network, profile.images):
        for claim in dict(part).values():
            if claim is not None:
                assert isinstance(claim, Claim)
                assert len(claim.source) > 10
                assert datetime.date(2015, 1, 1) < claim.date <= datetime.date(2026, 12, 31)


def test_the_shipped_profiles_are_listed() -> None:
    wanted = {"contabo", "digitalocean", "libvirt", "openstack", "proxmox"}
    assert wanted <= set(shipped_profiles())
    assert shipped_profiles()[0] == "contabo", "the default comes first"


def own(tmp_path: Path, old: str = "", new: str = "", base: str = "contabo") -> Path:
    text = (FOLDER / f"{base}.toml").read_text()
    assert old in text
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(old, new, 1))
    return path


def test_a_users_own_profile_is_read(tmp_path: Path) -> None:
    profile = read_profile(own(tmp_path, 'name = "contabo"', 'name = "cellar"'))
    assert profile.name == "cellar"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('value = "pc"', 'value = "q35"', "a q35 has sata"),
        ("[machine.secure_boot]\nvalue = false", "[machine.secure_boot]\nvalue = true", "needs"),
        ('value = "12.0"', 'value = "05.0"', "need an address each"),
        ('value = "12.0"', 'value = "01:00.0"', "a pc has no root ports"),
        ('confidence = "measured"', 'confidence = "sure"', "confidence"),
        ("date = 2025-12-18\n", "", "date"),
        ('title = "', 'title = "\\u001b[31m', "title"),
        ('name = "contabo"', 'name = "../x"', "name"),
        ("[images.formats]", "[images.form", "not TOML"),
    ],
)
def test_faults_of_a_users_profile_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    path = own(tmp_path, old, new)
    with pytest.raises(UsageError, match=r"mine\.toml") as caught:
        read_profile(path)
    assert said in str(caught.value)


def test_an_unreadable_profile_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "large.toml").write_bytes(b"#" * (5 << 20))
    for path, said in (
        (tmp_path / "nowhere.toml", "No such file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "bytes.toml", "byte 0 is not UTF-8"),
        (tmp_path / "large.toml", "larger than"),
    ):
        with pytest.raises(UsageError, match=said):
            read_profile(path)


def test_what_is_left_out_of_what_may_be_uploaded_is_not_known() -> None:
    text = (FOLDER / "contabo.toml").read_text()
    part = text[text.index("[images.quota_bytes]") : text.index("[images.windows_permitted]")]
    assert parse_profile(text.replace(part, ""), "x").images.quota_bytes is None


def test_bios_takes_secure_boot_away() -> None:
    profile = load_profile("contabo")
    machine = profile.machine.model_copy(
        update={
            "firmware": Claim(value="uefi", source="x", date="2026-01-01", confidence="chosen"),
            "secure_boot": Claim(value=True, source="x", date="2026-01-01", confidence="chosen"),
        }
    )
    bare = profile.model_copy(update={"machine": machine}).with_firmware("bios").machine
    assert (bare.firmware.value, bare.secure_boot.value) == ("bios", False)


def test_providers_lists_all_and_shows_one() -> None:
    listed = harness("providers")
    assert listed.returncode == 0
    for name in shipped_profiles():
        assert f"\n{name} " in f"\n{listed.stdout}"
    one = harness("providers", "digitalocean")
    assert one.returncode == 0
    assert "images.quota_bytes" in one.stdout
    assert "not known" in one.stdout


def test_providers_prints_json() -> None:
    assert parse_profile_json(harness("providers", "openstack", "--json").stdout)
    assert harness("providers", "--json").stdout.startswith("[")


def parse_profile_json(text: str) -> bool:
    return load_profile("openstack") == load_profile("openstack").model_validate_json(text)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("providers", "nimbus"), "no such profile"),
        (("providers", "contabo", "--provider-file", "x"), "not both"),
        (("providers", "--provider-file", "/nonexistent.toml"), "No such file"),
        (("check", "x", "--provider", "contabo", "--provider-file", "y"), "give one of them"),
        (("check", "x", "--provider-file", "/nonexistent.toml"), "No such file"),
    ],
)
def test_wrong_options_of_providers_are_refused(words: tuple[str, ...], said: str) -> None:
    done = harness(*words)
    assert done.returncode == 2
    assert said in done.stderr

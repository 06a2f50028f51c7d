"""What is prepared for an installation, from discs made here; no machine is started."""

from __future__ import annotations

from pathlib import Path

import pycdlib
import pytest

from harness.errors import UsageError
from harness.image.iso.iso_image import IsoFacts, read_iso
from harness.image.source import LocalFile
from harness.installer.plan import Installation, plan_installation, prepare_installation
from harness.observe.archive import ARCHIVE_PATH
from harness.seed.guest_network import GuestNetwork
from harness.seed.seed import new_mac, new_seed
from tests.image.isos import files, initrd, linux_kernel, xorriso


def iso(folder: Path, **contents: bytes) -> Path:
    """A disc with these files, "__" in a name standing for a slash."""
    tree = {name.replace("__", "/"): content for name, content in contents.items()}
    return xorriso(folder / "disc.iso", files(folder / "tree", tree))


def debian(folder: Path) -> Path:
    named = {"install.amd__vmlinuz": linux_kernel(), "install.amd__initrd.gz": initrd("net/a")}
    return iso(folder, **named)


def facts(path: Path) -> IsoFacts:
    with LocalFile(path) as source:
        return read_iso(source)


def planned(path: Path, own: str | None = None, archive: str | None = None) -> Installation:
    return plan_installation(str(path), facts(path), own, archive)


def seed():
    return new_seed(new_mac("00:50:56"), GuestNetwork())


def test_kernel_and_initrd_are_taken_off_the_iso_with_the_answers_behind(tmp_path: Path) -> None:
    path = debian(tmp_path)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    prepared = prepare_installation(planned(path), path, seed(), "bios", scratch)
    assert prepared.direct is not None
    assert prepared.direct.kernel.read_bytes() == linux_kernel()
    packed = prepared.direct.initrd.read_bytes()
    assert packed.startswith(initrd("net/a"))
    assert b"preseed.cfg\0" in packed
    assert b"netcfg/get_ipaddress string 203.0.113.10" in packed
    assert "console=ttyS0" in prepared.direct.cmdline
    assert prepared.answers_iso is None
    assert prepared.target.parent == scratch


def test_an_archive_is_where_the_guest_can_reach_it(tmp_path: Path) -> None:
    path = debian(tmp_path)
    archive = "http://deb.debian.org/debian"
    prepared = prepare_installation(planned(path, archive=archive), path, seed(), "bios", tmp_path)
    assert prepared.direct is not None
    packed = prepared.direct.initrd.read_bytes()
    assert b"mirror/http/hostname string 203.0.113.2\n" in packed
    assert f"mirror/http/directory string {ARCHIVE_PATH}\n".encode() in packed
    assert b"deb.debian.org" not in packed


def test_a_persons_own_answers_go_in_place_of_ours(tmp_path: Path) -> None:
    path = debian(tmp_path)
    own = planned(path, own="d-i mine string ${harness_address}\n")
    prepared = prepare_installation(own, path, seed(), "bios", tmp_path)
    assert prepared.direct is not None
    packed = prepared.direct.initrd.read_bytes()
    assert b"d-i mine string 203.0.113.10\n" in packed
    assert b"partman-auto" not in packed


def test_a_family_with_an_answer_iso_gets_one(tmp_path: Path) -> None:
    named = {"casper__vmlinuz": linux_kernel(), "casper__initrd": initrd()}
    path = iso(tmp_path, **named, **{"casper__install-sources.yaml": b"x"})
    prepared = prepare_installation(planned(path), path, seed(), "bios", tmp_path)
    assert prepared.answers_iso is not None
    answers = pycdlib.PyCdlib()
    answers.open(str(prepared.answers_iso))
    assert answers.pvd.volume_identifier.decode().strip() == "cidata"
    answers.close()


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({"readme": b"x"}, "has no answers for this disc; it has for Debian"),
        ({"usr__freebsd-dist__base.txz": b"x"}, "cannot tell this disc its answers"),
    ],
)
def test_an_iso_that_cannot_be_told_anything_is_refused(tmp_path: Path, contents, said) -> None:
    path = iso(tmp_path, **contents)
    with pytest.raises(UsageError, match=said):
        planned(path)


def test_a_disk_image_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.qcow2: is a disk image"):
        plan_installation("a.qcow2", None, None, None)


@pytest.mark.parametrize(
    ("kernel", "packed", "said"),
    [
        (b"MZ" + bytes(2000), initrd(), "is no kernel for x86"),
        (linux_kernel(), b"", "has none of these pairs"),
    ],
)
def test_a_kernel_that_is_not_what_it_should_be_is_refused(
    tmp_path: Path, kernel: bytes, packed: bytes, said: str
) -> None:
    named = {"install.amd__vmlinuz": kernel, "install.amd__initrd.gz": packed}
    path = iso(tmp_path, **named)
    with pytest.raises(UsageError, match=said):
        prepare_installation(planned(path), path, seed(), "bios", tmp_path)

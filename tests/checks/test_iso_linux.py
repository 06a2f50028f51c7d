"""Installer discs of Linux, with drivers and without, as ``harness check`` judges them."""

from __future__ import annotations

import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest

from harness.examine.image_report import ImageFacts, examine
from harness.provider.profile import load_profile
from tests.image.isos import bios_loader, files, initrd, linux_kernel, xorriso
from tests.image.kernels import bz_image
from tests.program import harness
from tests.server import serving

pytestmark = pytest.mark.programs

_BOOT = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
_MISSING = ["linux.virtio-scsi-missing", "linux.virtio-net-missing"]
ALL = ("virtio_pci", "virtio_scsi", "sd_mod", "virtio_net")


def iso(work: Path, contents: dict[str, bytes]) -> Path:
    folder = files(work / "t", contents)
    bios_loader(folder)
    return xorriso(work / "x.iso", folder, *_BOOT)


def small(work: Path, *drivers: str, **more: bytes) -> Path:
    """A disc of nobody that is known, with nothing on it but a kernel and its initrd."""
    config = b"menuentry 'x' {\n linux /vmlinuz\n initrd /initrd.gz\n}\n"
    contents = {"boot/grub/grub.cfg": config, "vmlinuz": linux_kernel()}
    contents["initrd.gz"] = gzip.compress(initrd(*drivers))
    return iso(work, contents | more)


def debian(work: Path, *drivers: str, **more: bytes) -> Path:
    contents = {"install.amd/vmlinuz": linux_kernel(), ".disk/info": b"Debian GNU/Linux 12"}
    contents["install.amd/initrd.gz"] = gzip.compress(initrd(*drivers))
    return iso(work, contents | more)


UDEB = {"pool/main/l/linux-signed-amd64/scsi-modules-6.1.0-9-amd64-di_6.1_amd64.udeb": b"!<arch>"}


def look(path: Path) -> ImageFacts:
    return examine(str(path), load_profile("contabo"))


def inside(facts: ImageFacts) -> dict[str, str]:
    return {row.topic: row.statement for row in facts.inside}


def linux_rows(facts: ImageFacts) -> list[str]:
    return [row.id for row in facts.findings if row.id.startswith("linux.")]


def test_an_installer_with_all_drivers(tmp_path: Path) -> None:
    facts = look(debian(tmp_path, *ALL))
    assert (linux_rows(facts), facts.prediction.unknown) == ([], ())
    assert facts.prediction.will_boot is None
    assert inside(facts)["kernel"] == (
        "/install.amd/vmlinuz, /install.amd/initrd.gz (where such discs have them): "
        "6.1.0-9-amd64, x86-64"
    )
    assert inside(facts)["disk"] == (
        "virtio_pci, virtio_scsi, sd_mod: initramfs (/install.amd/initrd.gz)"
    )
    assert inside(facts)["network"] == "virtio_net: initramfs (/install.amd/initrd.gz)"
    assert facts.drivers["virtio_scsi"] == "initramfs"


def test_udebs_may_bring_what_the_initrd_lacks(tmp_path: Path) -> None:
    facts = look(debian(tmp_path, "virtio_pci", "sd_mod", "virtio_net", **UDEB))
    assert linux_rows(facts) == []
    (unknown,) = facts.prediction.unknown
    assert unknown.startswith("whether the installer gets virtio_scsi: not in the initrd; may be")
    assert "scsi-modules-6.1.0-9-amd64-di" in unknown
    assert facts.drivers["virtio_scsi"] == "unknown"
    assert "virtio_scsi: not in the initrd; may be in udebs (/pool/" in inside(facts)["disk"]


def test_a_second_stage_may_bring_it(tmp_path: Path) -> None:
    contents = {"images/pxeboot/vmlinuz": linux_kernel(), "images/install.img": b"x"}
    contents["images/pxeboot/initrd.img"] = gzip.compress(initrd("virtio_pci"))
    facts = look(iso(tmp_path, contents))
    assert linux_rows(facts) == []
    assert inside(facts)["network"] == (
        "virtio_net: not in the initrd; may be in its second stage (/images/install.img)"
    )
    assert len(facts.prediction.unknown) == 3


def test_a_driver_that_nothing_can_provide_is_missing(tmp_path: Path) -> None:
    facts = look(small(tmp_path, "virtio_pci", "sd_mod"))
    assert linux_rows(facts) == _MISSING
    row = next(row for row in facts.findings if row.id == _MISSING[0])
    assert row.severity == "error"
    assert row.statement == (
        "The kernel on this disc has no virtio_scsi, built in or in its initrd: it will not see "
        "the provider's disk."
    )
    assert row.evidence == ("nothing else on the disc may bring it", "/vmlinuz", "/initrd.gz")
    assert "initrd" in row.remedy
    assert facts.drivers["virtio_scsi"] == "missing"


def test_the_whole_program_fails_such_an_iso(tmp_path: Path) -> None:
    done = harness("check", small(tmp_path), "--json")
    result: dict[str, Any] = json.loads(done.stdout)
    assert (done.returncode, result["cause"]) == (1, _MISSING[0])
    assert result["prediction"] == {"will_boot": None, "because": [], "unknown": []}
    assert harness("check", tmp_path / "x.iso", "--no-inside").returncode == 0


def test_an_installer_from_the_network_must_have_its_nic(tmp_path: Path) -> None:
    contents = {"linux": linux_kernel(), ".disk/mini-info": b"d-i"}
    contents["initrd.gz"] = gzip.compress(initrd("virtio_pci", "sd_mod"))
    facts = look(iso(tmp_path, contents))
    assert linux_rows(facts) == ["linux.virtio-net-missing"]
    row = next(row for row in facts.findings if row.id == _MISSING[1])
    assert row.statement.startswith("The installer's kernel has no virtio_net, built in or in")
    assert row.evidence[0] == "needed before anything comes from udebs of a mirror"
    assert len(facts.prediction.unknown) == 1


def test_what_is_built_in_needs_no_initrd(tmp_path: Path) -> None:
    builtin = "".join(f"kernel/drivers/{name}.ko\n" for name in ALL)
    content = initrd(builtin=builtin)
    facts = look(small(tmp_path, **{"initrd.gz": content}))
    assert linux_rows(facts) == []
    assert inside(facts)["network"] == "virtio_net: built in"


def test_a_kernel_that_was_damaged(tmp_path: Path) -> None:
    kernel = bytearray(bz_image(gzip.compress(bytes(range(256)) * 400)))
    struct.pack_into("<I", kernel, 0x24C, 1 << 20)
    facts = look(debian(tmp_path, *ALL, **{"install.amd/vmlinuz": bytes(kernel)}))
    assert linux_rows(facts) == ["linux.kernel-damaged"]
    row = next(row for row in facts.findings if row.id == "linux.kernel-damaged")
    assert "the file ends at byte" in row.statement
    assert "checksum" in row.remedy


# What cannot be read is said, and costs nothing else


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\x1f\x8b\x08\0 no such thing", "cannot be unpacked"),
        (b"", "no kernel with an initrd was found"),
        (gzip.compress(b"070701" + b"z" * 200), "no header of an archive"),
    ],
    ids=["garbage", "empty", "no archive"],
)
def test_an_initrd_that_cannot_be_read(tmp_path: Path, content: bytes, said: str) -> None:
    assert said in unread_of(debian(tmp_path, **{"install.amd/initrd.gz": content}, **UDEB))


def test_an_initrd_that_unpacks_for_ever(tmp_path: Path) -> None:
    """600 MiB of zeros, in 3 MB."""
    bomb = gzip.compress(bytes(600 << 20), compresslevel=1)
    said = unread_of(debian(tmp_path, **{"install.amd/initrd.gz": bomb}))
    assert "larger than any initramfs" in said


def unread_of(image: Path) -> str:
    """What the only finding about drivers says; the disc passes all the same."""
    done = harness("check", image, "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (0, "")
    (row,) = (row for row in result["findings"] if row["id"] == "linux.inside-unread")
    assert row["statement"].startswith("The drivers on the disc were not looked at: ")
    assert result["prediction"]["unknown"][0] in row["statement"]
    return str(row["statement"])


def test_a_link_is_not_fetched_for_it(tmp_path: Path) -> None:
    image = debian(tmp_path, *ALL, **{"pool/large": bytes(2 << 20)})
    with serving({"disc.iso": image.read_bytes()}) as server:
        facts = examine(server.url("disc.iso"), load_profile("contabo"))
    (row,) = (row for row in facts.findings if row.id == "linux.inside-unread")
    assert "of a link" in row.statement
    assert facts.bytes_read < 1 << 20
    assert facts.prediction.unknown


def test_an_iso_without_linux_has_no_driver_findings(tmp_path: Path) -> None:
    for number, path in enumerate(("usr/freebsd-dist/MANIFEST", "readme.txt")):
        work = tmp_path / str(number)
        work.mkdir()
        facts = look(iso(work, {path: b"x"}))
        assert (linux_rows(facts), facts.prediction.unknown) == ([], ())
        assert [row.topic for row in facts.inside] == ["boot path"]

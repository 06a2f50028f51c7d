"""Systems that are broken in one way each: what inspection says, and what it predicts."""

from __future__ import annotations

import struct
import subprocess
import zlib
from pathlib import Path

import pytest

from harness.checks.inside import check_inside, predict
from harness.examine.image_report import ImageFacts, examine
from harness.image.container.qcow2 import read_qcow2
from harness.image.container.qcow2_disk import Qcow2Disk
from harness.image.os.disk import read_disk
from harness.image.source import LocalFile
from harness.model.finding import finding_catalog
from harness.provider.profile import load_profile
from tests.checks.boot_prediction import said
from tests.image.disks import (
    GRUB_CFG,
    ROOT_UUID,
    VERSION,
    Linux,
    as_qcow2,
    elf,
    kernel,
    write_boot_code,
)
from tests.image.efi_programs import signable_program
from tests.image.grub_cores import core as grub_core
from tests.image.isos import esp

pytestmark = pytest.mark.programs

_INITRD = f"boot/initrd.img-{VERSION}"
_KERNEL = f"boot/vmlinuz-{VERSION}"
_ALL = Linux(Path()).early


def looked_at(image: Path) -> ImageFacts:
    """As the program looks at it: in a child process."""
    return examine(str(image), load_profile("contabo"))


@pytest.fixture
def linux(tmp_path: Path) -> Linux:
    return Linux(tmp_path)


def without(*names: str) -> tuple[str, ...]:
    return tuple(name for name in _ALL if name not in names)


def test_a_sound_system_is_predicted_to_boot(linux: Linux) -> None:
    facts = looked_at(linux.write())
    assert facts.findings == ()
    assert facts.prediction.will_boot is True
    assert facts.content == f"Debian GNU/Linux 12 (bookworm), kernel {VERSION}; starts from BIOS"


@pytest.mark.parametrize("name", ["virtio_pci", "virtio_scsi", "sd_mod", "ext4"])
def test_a_driver_that_is_not_in_the_initramfs(linux: Linux, name: str) -> None:
    linux.early = without(name)
    assert said(linux.write()) == (False, ["linux.virtio-scsi-missing"])


@pytest.mark.parametrize("name", ["virtio_pci", "virtio_scsi", "sd_mod", "ext4"])
def test_a_driver_that_is_built_in(linux: Linux, name: str) -> None:
    linux.early, linux.built_in = without(name), (name,)
    assert said(linux.write()) == (True, [])


def test_a_kernel_without_an_initramfs_has_all_built_in(linux: Linux) -> None:
    linux.files["boot/grub/grub.cfg"] = (
        f"menuentry 'x' {{\n linux /{_KERNEL} root=/dev/sda2 console=ttyS0\n}}\n".encode()
    )
    assert said(linux.write()) == (False, ["linux.virtio-scsi-missing"])


def test_an_initramfs_that_is_not_there(linux: Linux) -> None:
    linux.files[_INITRD] = None
    assert said(linux.write()) == (False, ["linux.virtio-scsi-missing"])


def test_an_initramfs_that_cannot_be_read_predicts_nothing(linux: Linux) -> None:
    linux.files[_INITRD] = b"\x1f\x8b\x08\x00 no longer what it was"
    assert said(linux.write()) == (None, [])


@pytest.mark.parametrize(
    ("cmdline", "files"),
    [
        (" modprobe.blacklist=virtio_scsi", {}),
        (" module_blacklist=floppy,virtio_scsi", {}),
        ("", {"etc__modprobe.d__x.conf": "blacklist virtio_scsi\n"}),
        ("", {"etc__modprobe.d__x.conf": "install virtio-scsi /bin/false\n"}),
    ],
)
def test_a_driver_that_is_kept_from_loading(
    linux: Linux, cmdline: str, files: dict[str, str]
) -> None:
    linux.cmdline += cmdline
    linux.initramfs_files = files
    assert said(linux.write()) == (False, ["linux.virtio-scsi-missing"])


def test_a_blacklist_of_something_else_harms_nothing(linux: Linux) -> None:
    linux.cmdline += " modprobe.blacklist=pcspkr"
    linux.files["etc/modprobe.d/blacklist.conf"] = b"# blacklist virtio_net\nblacklist floppy\n"
    assert said(linux.write()) == (True, [])


def test_modules_that_are_numbered_for_loading(linux: Linux) -> None:
    linux.early = tuple(f"{number:02}-{name}" for number, name in enumerate(_ALL))
    linux.on_root = ()
    assert said(linux.write()) == (True, [])


def test_no_virtio_net(linux: Linux) -> None:
    linux.early = linux.on_root = without("virtio_net")
    assert said(linux.write()) == (True, ["linux.virtio-net-missing"])


def test_virtio_net_only_on_the_root_is_enough(linux: Linux) -> None:
    linux.early = without("virtio_net", "ata_piix", "sr_mod", "isofs")
    assert said(linux.write()) == (True, [])


@pytest.mark.parametrize("name", ["ata_piix", "sr_mod", "isofs"])
def test_the_seed_cannot_be_read(linux: Linux, name: str) -> None:
    linux.early = linux.on_root = without(name)
    assert said(linux.write()) == (True, ["linux.seed-drive-missing"])


def test_a_kernel_that_is_not_there(linux: Linux) -> None:
    linux.files[_KERNEL] = None
    assert said(linux.write()) == (False, ["linux.no-kernel"])


def test_no_kernel_at_all(linux: Linux) -> None:
    linux.files |= {_KERNEL: None, _INITRD: None, "boot/grub/grub.cfg": None}
    assert said(linux.write()) == (False, ["linux.no-kernel"])


def test_another_processor(linux: Linux) -> None:
    linux.files[_KERNEL] = bytes(56) + b"ARM\x64" + bytes(1000)
    linux.files["usr/bin/sh"] = elf(183)
    will_boot, ids = said(linux.write())
    assert (will_boot, ids) == (False, ["arch.not-x86-64"])


@pytest.mark.parametrize(("machine", "will_boot"), [(3, True), (62, False)])
def test_an_i386_kernel_starts_i386_programs_only(
    linux: Linux, machine: int, will_boot: bool
) -> None:
    linux.files[_KERNEL] = kernel(x86_64=False)
    linux.files["usr/bin/sh"] = elf(machine)
    assert said(linux.write()) == (will_boot, ["arch.not-x86-64"])


def test_no_boot_loader(linux: Linux) -> None:
    assert said(linux.write(boot_code=False)) == (False, ["disk.no-bootloader"])


def test_a_grub_without_its_core(linux: Linux, tmp_path: Path) -> None:
    linux.write()
    raw = tmp_path / "disk.raw"
    with raw.open("r+b") as file:
        file.seek(2048 * 512)
        file.write(bytes(512))
    facts = looked_at(as_qcow2(raw))
    assert [row.id for row in facts.findings] == ["disk.no-bootloader"]
    assert "sector 2048, which is empty" in facts.findings[0].evidence[0]


@pytest.mark.parametrize(
    ("architecture", "expected"),
    [
        ("x86-64", ["firmware.uefi-only"]),
        ("arm64", ["firmware.uefi-only", "arch.not-x86-64"]),
    ],
)
def test_a_disk_for_uefi_only(tmp_path: Path, architecture: str, expected: list[str]) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(16 << 20)
    script = "label: gpt\nstart=2048,type=uefi\n"
    subprocess.run(["sfdisk", "-q", raw], input=script, text=True, check=True)
    volume = esp(tmp_path, architecture)
    with raw.open("r+b") as file:
        file.seek(1 << 20)
        file.write(volume.read_bytes())
    assert said(as_qcow2(raw)) == (False, expected)


def with_esp(
    folder: Path,
    *architectures: str,
    boot_code: bool = False,
    elsewhere: str = "",
    loader: Path | None = None,
) -> Path:
    """A disk with an EFI system partition; ``elsewhere`` is a folder with a loader of Debian's.

    ``loader`` is a file for the fallback path.
    """
    raw = folder / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(16 << 20)
    script = "label: gpt\nstart=4096,type=uefi\n"
    subprocess.run(["sfdisk", "-q", raw], input=script, text=True, check=True)
    volume = esp(folder, *architectures)
    if loader:
        subprocess.run(["mcopy", "-i", volume, loader, "::/EFI/BOOT/"], check=True)
    if elsewhere:
        loader = folder / "grubx64.efi"
        loader.write_bytes(b"MZ")
        subprocess.run(["mmd", "-i", volume, f"::/EFI/{elsewhere}"], check=True)
        subprocess.run(["mcopy", "-i", volume, loader, f"::/EFI/{elsewhere}/"], check=True)
    with raw.open("r+b") as file:
        file.seek(2 << 20)
        file.write(volume.read_bytes())
    if boot_code:
        write_boot_code(raw)
    return as_qcow2(raw)


@pytest.mark.parametrize(
    ("architectures", "boot_code", "expected"),
    [
        (("x86-64",), False, []),
        (("x86-64", "i386"), True, []),
        (("i386",), True, ["firmware.bios-only", "arch.not-x86-64"]),
        ((), True, ["firmware.bios-only"]),
        ((), False, ["disk.no-bootloader"]),
    ],
)
def test_what_uefi_starts(
    tmp_path: Path, architectures: tuple[str, ...], boot_code: bool, expected: list[str]
) -> None:
    image = with_esp(tmp_path, *architectures, boot_code=boot_code)
    assert said(image, "uefi")[1] == expected


def test_a_disk_without_an_efi_system_partition_under_uefi(linux: Linux) -> None:
    assert said(linux.write(), "uefi") == (False, ["firmware.bios-only"])


@pytest.mark.parametrize(
    ("boot_code", "expected"),
    [(True, "firmware.bios-only"), (False, "firmware.no-fallback-loader")],
)
def test_a_loader_that_only_a_boot_entry_leads_to(
    tmp_path: Path, boot_code: bool, expected: str
) -> None:
    image = with_esp(tmp_path, boot_code=boot_code, elsewhere="debian")
    profile = load_profile("contabo").with_firmware("uefi")
    (row,) = [row for row in examine(str(image), profile).findings if row.id == expected]
    # mtools writes a short name that is all in small letters in capitals.
    assert "\\EFI\\DEBIAN\\GRUBX64.EFI is there, and only a boot entry" in row.statement


@pytest.mark.parametrize("signed", [True, False])
def test_what_secure_boot_starts(tmp_path: Path, signed: bool) -> None:
    (tmp_path / "BOOTX64.EFI").write_bytes(signable_program(signed=signed))
    image = with_esp(tmp_path, loader=tmp_path / "BOOTX64.EFI")
    for provider, expected in (("uefi-q35", True), ("uefi-secure", signed)):
        seen = examine(str(image), load_profile(provider))
        ids = [row.id for row in seen.findings if row.id.startswith(("firmware.", "disk."))]
        assert ids == ([] if expected else ["firmware.not-signed"])
    assert seen.prediction.will_boot is (None if signed else False)


@pytest.mark.parametrize("size", ["1M", "10G"])
def test_an_empty_disk(tmp_path: Path, size: str) -> None:
    image = tmp_path / "x.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, size], check=True)
    assert said(image) == (False, ["disk.empty"])


def test_an_encrypted_disk(tmp_path: Path) -> None:
    raw = tmp_path / "disk.raw"
    with raw.open("wb") as file:
        file.truncate(16 << 20)
    script = "label: gpt\nstart=2048\n"
    subprocess.run(["sfdisk", "-q", raw], input=script, text=True, check=True)
    with raw.open("r+b") as file:
        file.write(b"\xfa\xf4")
        file.seek(1 << 20)
        file.write(b"LUKS\xba\xbe\x00\x02")
    assert said(as_qcow2(raw)) == (False, ["disk.encrypted"])


@pytest.mark.parametrize(
    ("cmdline", "fstab", "will_boot", "ids"),
    [
        ("root=/dev/vda1", "", False, ["linux.root-device-name"]),
        ("root=/dev/sda2", "", True, []),
        ("root=/dev/nvme0n1p1", "", False, ["linux.root-device-name"]),
        ("", "/dev/vdb1 /data ext4 defaults 0 2\n", False, ["linux.root-device-name"]),
        ("", "/dev/vdb1 /data ext4 nofail 0 2\n", True, ["linux.root-device-name"]),
        ("", "#/dev/vdb1 /data ext4 defaults 0 2\n", True, []),
        ("root=UUID=0badc0de-0000-0000-0000-000000000000", "", False, ["linux.root-missing"]),
        ("", "UUID=0BADC0DE-1 /boot/efi vfat defaults 0 1\n", False, ["linux.root-missing"]),
        ("", "UUID=0BADC0DE-1 /boot/efi vfat nofail 0 1\n", True, []),
        ("", "UUID=0badc0de-2 none swap sw 0 0\n", True, []),
    ],
)
def test_a_wrong_device_name_of_a_disk_is_found(
    linux: Linux, cmdline: str, fstab: str, will_boot: bool, ids: list[str]
) -> None:
    if cmdline:
        linux.cmdline = f"{cmdline} console=ttyS0"
    linux.fstab += fstab
    assert said(linux.write()) == (will_boot, ids)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"usr/bin/cloud-init": None}, "linux.cloud-init-missing"),
        ({"etc/cloud/cloud-init.disabled": b""}, "linux.cloud-init-missing"),
        (
            {"usr/lib/systemd/system-generators/cloud-init-generator": None},
            "linux.cloud-init-missing",
        ),
        ({"etc/cloud/cloud.cfg.d/9.cfg": b"datasource_list: [Ec2]\n"}, "linux.datasource-excluded"),
        (
            {"etc/cloud/cloud.cfg.d/9.cfg": b"datasource_list:\n  - Ec2\n  - None\n"},
            "linux.datasource-excluded",
        ),
        (
            {"etc/cloud/cloud.cfg.d/9.cfg": b"network: {config: disabled}\n"},
            "linux.network-config-disabled",
        ),
        (
            {"var/lib/cloud/data/instance-id": b"i-1\n", "var/lib/cloud/instance/x": b""},
            "linux.instance-used",
        ),
    ],
)
def test_cloud_init(linux: Linux, files: dict[str, bytes | None], expected: str) -> None:
    linux.files |= files
    assert said(linux.write()) == (True, [expected])


def test_a_datasource_list_with_nocloud_is_right(linux: Linux) -> None:
    linux.files["etc/cloud/cloud.cfg"] = b"datasource_list: [Ec2]\n"
    linux.files["etc/cloud/cloud.cfg.d/99.cfg"] = b"datasource_list: [ NoCloud, None ]\n"
    assert said(linux.write()) == (True, [])


def test_cloud_init_disabled_on_the_command_line(linux: Linux) -> None:
    linux.cmdline += " cloud-init=disabled"
    assert said(linux.write()) == (True, ["linux.cloud-init-missing"])


def test_no_serial_console(linux: Linux) -> None:
    linux.cmdline = f"root=UUID={ROOT_UUID} quiet"
    assert said(linux.write()) == (True, ["linux.serial-console-missing"])


def test_a_damaged_file_system_predicts_nothing(linux: Linux, tmp_path: Path) -> None:
    linux.write()
    raw = tmp_path / "disk.raw"
    with raw.open("r+b") as file:
        file.seek(4096 * 512 + 4096)
        file.write(b"\xff" * (8 << 20))
    facts = looked_at(as_qcow2(raw))
    assert facts.prediction.will_boot is None
    assert "linux.inside-unread" in {row.id for row in facts.findings}
    assert facts.passes, "the boot tells"


def test_links_lead_nowhere_outside(linux: Linux) -> None:
    linux.files |= {"etc/os-release": None, "etc/hostname": b'PRETTY_NAME="inside"\n'}
    linux.links = {"etc/os-release": "../../../../../../../../etc/hostname", "etc/loop": "loop"}
    facts = looked_at(linux.write())
    assert facts.content.startswith("inside, kernel")


def test_an_initramfs_that_unpacks_without_end_predicts_nothing(linux: Linux) -> None:
    packer = zlib.compressobj(1, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(700)) + packer.flush()
    linux.files[_INITRD] = bomb
    facts = looked_at(linux.write())
    assert facts.prediction.will_boot is None
    assert [row.id for row in facts.findings] == ["linux.inside-unread"]


def test_text_of_the_image_is_made_printable(linux: Linux) -> None:
    linux.files["etc/os-release"] = b'PRETTY_NAME="\x1b[31mowned"\n'
    linux.cmdline += " root=/dev/vda\x1b]0;x\x07"
    facts = looked_at(linux.write())
    assert "\x1b" not in facts.content
    assert all("\x1b" not in line for row in facts.findings for line in row.evidence)


def grub_config(head: str) -> bytes:
    entry = GRUB_CFG.format(uuid=ROOT_UUID, version=VERSION, cmdline="console=ttyS0")
    return f"{head}\n{entry}".encode()


def test_a_boot_menu_that_waits_for_a_key(linux: Linux) -> None:
    linux.files["boot/grub/grub.cfg"] = grub_config("set timeout=-1")
    assert said(linux.write()) == (False, ["linux.boot-waits"])


def test_a_boot_menu_that_may_wait_is_no_finding(linux: Linux) -> None:
    linux.files["boot/grub/grub.cfg"] = grub_config("set timeout=-1\nset timeout=5")
    assert said(linux.write()) == (True, [])


def test_no_first_program(linux: Linux) -> None:
    linux.files.update({"usr/bin/sh": None, "usr/lib/systemd/systemd": None})
    linux.files["etc/inittab"] = b"::sysinit:/bin/true\n"
    assert said(linux.write()) == (False, ["linux.no-init"])


def test_a_script_as_first_program_may_do_anything(linux: Linux) -> None:
    linux.files["usr/lib/systemd/systemd"] = b"#!/bin/sh\nexit 1\n"
    will_boot, ids = said(linux.write())
    assert (will_boot, ids) == (None, [])


@pytest.mark.parametrize("part", ["superblock", "group descriptor 0"])
def test_a_root_whose_checksums_do_not_hold(linux: Linux, tmp_path: Path, part: str) -> None:
    linux.write()
    raw = tmp_path / "disk.raw"
    start = 4096 * 512
    with raw.open("r+b") as file:
        file.seek(start + 1024 + 0x14)
        first, log_size = struct.unpack("<II", file.read(8))
        descriptors = start + (first + 1) * (1024 << log_size)
        file.seek(start + 1024 + 0x78 if part == "superblock" else descriptors + 0x0C)
        file.write(b"\xfe")
    with LocalFile(raw) as source:
        rows = check_inside(read_disk(source), load_profile("contabo"))
    (row,) = [row for row in rows if row.id == "linux.root-damaged"]
    assert part in row.statement


@pytest.mark.parametrize("there", [True, False])
def test_a_grub_that_needs_its_files(linux: Linux, tmp_path: Path, there: bool) -> None:
    if there:
        linux.files["boot/grub/i386-pc/normal.mod"] = b"module"
    linux.write()
    core = grub_core(tmp_path, "biosdisk", "part_gpt", "ext2")
    with (tmp_path / "disk.raw").open("r+b") as file:
        file.seek(2048 * 512)
        file.write(core)
    will_boot, ids = said(as_qcow2(tmp_path / "disk.raw"))
    assert (will_boot, ids) == ((True, []) if there else (False, ["disk.no-bootloader"]))


def test_no_kernel_is_missing_while_a_part_of_the_disk_is_unread(linux: Linux) -> None:
    linux.files |= {_KERNEL: None, _INITRD: None, "boot/grub/grub.cfg": None}
    profile = load_profile("contabo")
    with LocalFile(linux.write()) as source:
        facts = read_disk(Qcow2Disk(source, read_qcow2(source)))
    unread = facts.model_copy(update={"unread": ("partition 1: there is no reader for bcachefs",)})
    assert check_inside(unread, profile) == []
    assert predict(unread, [], profile).will_boot is None


def test_a_remedy_is_in_the_commands_of_the_system_on_the_disk(linux: Linux) -> None:
    linux.files["usr/bin/cloud-init"] = None
    linux.files["etc/os-release"] = b'ID=debian\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'
    found = {row.id: row.remedy for row in looked_at(linux.write()).findings}
    in_its_words = finding_catalog()["linux.cloud-init-missing"].remedies["debian"]
    assert found["linux.cloud-init-missing"] == in_its_words

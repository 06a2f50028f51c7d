"""Debian by mmdebstrap: a cloud image, or only its kernel."""

from __future__ import annotations

import shutil
import subprocess
import uuid
from dataclasses import replace
from pathlib import Path

from images.disk import EFI_X86_64, Efi, Root, build_disk
from images.encrypted import build_encrypted_disk
from images.recipe import Debian, RecipeError
from images.steps import run, say

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_DEFAULT_MIRROR = "http://deb.debian.org/debian"
# Names of file systems are derived, so that a recipe gives the same disk twice.
_NAMESPACE = uuid.UUID("7b0c5a44-52a9-5c3e-9a53-1c1f6d0c2a11")

_GRUB_CFG = """\
# What update-grub writes for one kernel, in short.
set default=0
set timeout=0
serial --unit=0 --speed=115200
terminal_input console serial
terminal_output console serial

menuentry 'Debian GNU/Linux' --class debian --class gnu-linux {{
    insmod part_gpt
    insmod ext2
    search --no-floppy --fs-uuid --set=root {boot_uuid}
    echo 'Loading Linux @KERNEL@ ...'
    linux {boot}/vmlinuz-@KERNEL@ root={root} ro console=tty0 console=ttyS0,115200
    echo 'Loading initial ramdisk ...'
    initrd {boot}/initrd.img-@KERNEL@
}}
"""


def _validity() -> list[str]:
    """Return options for mmdebstrap if this host's apt accepts expired archives.

    A mirror that stands still says of unstable and testing that they expired (apt.conf(5)).
    """
    key = "Acquire::Check-Valid-Until"
    said = subprocess.run(
        ["apt-config", "shell", "CHECK", key], capture_output=True, text=True, check=False
    ).stdout
    return [f"--aptopt={key} false"] if "false" in said.lower() else []


def mirror() -> str:
    """Return the Debian mirror that this host's apt uses; the default one if it uses none."""
    words = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    words += ["Created-By: Packages", "Label: Debian", "Origin: Debian"]
    if shutil.which(words[0]):
        found = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
        if found:
            return found[0].rstrip("/")
    return _DEFAULT_MIRROR


def build_debian(
    name: str, recipe: Debian, scratch: Path, output: Path, signed: Path | None = None
) -> None:
    """Write the image of ``recipe`` to ``output`` as qcow2; ``scratch`` is an empty folder.

    ``signed`` is the folder with signed loaders of a recipe that wants them.
    """
    root_uuid = str(uuid.uuid5(_NAMESPACE, name))
    tar, folder = scratch / "root.tar", scratch / "root"
    folder.mkdir()
    say(f"{name}: installing {len(recipe.packages)} packages of {recipe.suite}")
    if recipe.architecture != "amd64":
        _build_foreign(recipe, root_uuid, scratch, output)
        return
    grub_cfg = _GRUB_CFG.format(boot_uuid=root_uuid, boot="/boot", root=f"UUID={root_uuid}")
    root = Root(folder, root_uuid, "root", recipe.size_mib, tar)
    if recipe.encrypted:
        grub_cfg = _GRUB_CFG.format(boot_uuid=root_uuid, boot="", root="/dev/mapper/root")
    hooks = _finish(recipe, root_uuid, grub_cfg, scratch)
    bootstrap(recipe.suite, tar, recipe.packages, "minbase", hooks)
    say(f"{name}: writing the disk")
    if recipe.encrypted:
        build_encrypted_disk(root, scratch, output)
    else:
        efi = replace(EFI_X86_64, signed=signed)
        build_disk(root, scratch, output, firmware=recipe.firmware, efi=efi)


def _build_foreign(recipe: Debian, root_uuid: str, scratch: Path, output: Path) -> None:
    """Build a disk for UEFI with packages of another architecture, whose programs are not run."""
    tar, folder = scratch / "root.tar", scratch / "root"
    arguments = (f"--architectures={recipe.architecture}",)
    bootstrap(recipe.suite, tar, recipe.packages, "extract", [], arguments)
    modules = "usr/lib/grub/arm64-efi"
    run("tar", "--extract", "--file", tar, "--directory", scratch, f"./{modules}")
    listed = run("tar", "--list", "--file", tar).splitlines()
    kernels = [name for name in listed if name.startswith("./boot/vmlinuz-")]
    if len(kernels) != 1:
        raise RecipeError(f"{len(kernels)} kernels were unpacked, one was expected.")
    grub_cfg = _GRUB_CFG.format(boot_uuid=root_uuid, boot="/boot", root=f"UUID={root_uuid}")
    grub_cfg = grub_cfg.replace("@KERNEL@", kernels[0].removeprefix("./boot/vmlinuz-"))
    texts = {"/boot/grub/grub.cfg": grub_cfg, "/etc/fstab": _fstab(recipe, root_uuid)}
    for path, text in {**texts, **recipe.files}.items():
        target = folder / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
    root = Root(folder, root_uuid, "root", recipe.size_mib, tar)
    efi = Efi("arm64-efi", "EFI/BOOT/BOOTAA64.EFI", scratch / modules)
    build_disk(root, scratch, output, firmware="uefi", efi=efi)


def _fstab(recipe: Debian, root_uuid: str) -> str:
    if recipe.encrypted:
        boot = f"UUID={root_uuid} /boot ext4 defaults 0 2\n"
        return f"/dev/mapper/root / ext4 errors=remount-ro 0 1\n{boot}"
    return f"UUID={root_uuid} / ext4 errors=remount-ro 0 1\n"


def _finish(recipe: Debian, root_uuid: str, grub_cfg: str, scratch: Path) -> list[str]:
    """Return the hooks that turn the installed system into a cloud image."""
    files = {
        "/etc/fstab": _fstab(recipe, root_uuid),
        "/etc/hostname": "localhost\n",
        # As Debian's own cloud images have it; cloud-init would ask for a locale that is not there.
        "/etc/cloud/cloud.cfg.d/01_locale.cfg": "locale: C.UTF-8\n",
        "/boot/grub/grub.cfg": grub_cfg,
    }
    hooks = ['--customize-hook=mkdir -p "$1/boot/grub"']
    hooks += _uploads("customize", files, scratch) + _uploads("essential", recipe.files, scratch)
    kernel = 'k=$(basename "$1"/boot/vmlinuz-*); sed -i "s/@KERNEL@/${k#vmlinuz-}/"'
    hooks.append(f'--customize-hook={kernel} "$1/boot/grub/grub.cfg"')
    # No trace of a machine that has booted before (host keys, machine id).
    hooks.append('--customize-hook=rm -f "$1"/etc/ssh/ssh_host_*; : > "$1/etc/machine-id"')
    if recipe.mask:
        hooks.append(f'--customize-hook=chroot "$1" systemctl mask {" ".join(recipe.mask)}')
    return hooks


def _uploads(when: str, files: dict[str, str], scratch: Path) -> list[str]:
    """Return hooks that add text files; those that start with "#!" are executable."""
    hooks = []
    for number, (path, text) in enumerate(files.items()):
        local = scratch / f"{when}-{number}"
        local.write_text(text, encoding="utf-8")
        hooks.append(f'--{when}-hook=mkdir -p "$1{Path(path).parent}"')
        hooks.append(f"--{when}-hook=upload {local} {path}")
        if text.startswith("#!"):
            hooks.append(f'--{when}-hook=chmod 755 "$1{path}"')
    return hooks


def fetch_kernel(suite: str, package: str, scratch: Path, architecture: str = "amd64") -> Path:
    """Return a folder with ``boot/vmlinuz-*`` and ``lib/modules`` of an unpacked kernel package."""
    folder = scratch / "kernel"
    members = ("./boot/vmlinuz-*", "*lib/modules/*")
    fetch_files(suite, [package], members, folder, (f"--architectures={architecture}",))
    return folder


def fetch_files(
    suite: str,
    packages: list[str],
    members: tuple[str, ...],
    folder: Path,
    arguments: tuple[str, ...] = (),
) -> None:
    """Make ``folder`` with what matches ``members`` in packages that are not installed."""
    tar = folder.with_suffix(".tar")
    bootstrap(suite, tar, packages, "extract", [], arguments)
    folder.mkdir()
    run("tar", "--extract", "--file", tar, "--directory", folder, "--wildcards", *members)
    tar.unlink()


def bootstrap(
    suite: str,
    tar: Path,
    packages: list[str],
    variant: str,
    hooks: list[str],
    arguments: tuple[str, ...] = (),
) -> None:
    """Write ``packages`` and what they need to ``tar``, by mmdebstrap."""
    run(
        "mmdebstrap",
        "--quiet",
        f"--variant={variant}",
        f"--include={','.join(packages)}",
        "--aptopt=Apt::Install-Recommends false",
        f"--keyring={_KEYRING}",
        *_validity(),
        *arguments,
        *hooks,
        suite,
        tar,
        mirror(),
    )

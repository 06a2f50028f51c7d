import hashlib
from pathlib import Path

import pytest

from images import installer
from images.installer import for_the_network, kernel_release, on_an_iso
from images.recipe import (
    DebianInstaller,
    DebianInstallerVariant,
    RecipeError,
    base_of,
    load_recipe,
    recipe_names,
)


def test_a_variant_drops_what_its_base_has() -> None:
    variants = [load_recipe(name) for name in recipe_names()]
    for variant in variants:
        if isinstance(variant, DebianInstallerVariant):
            assert isinstance(load_recipe(variant.base), DebianInstaller)


def test_a_variant_of_something_else_is_refused() -> None:
    variant = DebianInstallerVariant(
        kind="debian-installer-variant", description="d", base="tiny", drop_modules=["x"]
    )
    with pytest.raises(RecipeError, match="its base tiny is no disc"):
        base_of("bad", variant)


def test_a_variant_is_one_of_two_kinds() -> None:
    for fields in ({}, {"drop_modules": ["virtio_net"], "netboot": True}):
        with pytest.raises(ValueError, match="drops modules, or is for the network"):
            DebianInstallerVariant(
                kind="debian-installer-variant", description="d", base="b", **fields
            )


def test_an_iso_for_the_network_has_its_base_s_kernel_and_no_packages() -> None:
    base = load_recipe("debian-installer-13")
    assert isinstance(base, DebianInstaller)
    netboot = for_the_network(base)
    assert netboot.netboot == base.netboot
    assert not netboot.packages
    assert not netboot.udebs
    assert not netboot.modules


def test_a_package_in_the_initrd_must_be_one_of_the_iso() -> None:
    with pytest.raises(ValueError, match="initrd_udebs: load-cdrom is in neither"):
        DebianInstaller(
            kind="debian-installer",
            description="d",
            suite="trixie",
            netboot="n",
            initrd_udebs=["load-cdrom"],
        )


def test_a_menu_of_the_package_names_the_files_of_an_iso() -> None:
    menu = (
        "path debian-installer/amd64/boot-screens/\n"
        "include debian-installer/amd64/boot-screens/menu.cfg\n"
        "config debian-installer/amd64/boot-screens/syslinux.cfg\n"
        "kernel debian-installer/amd64/linux\n"
        "append vga=788 initrd=debian-installer/amd64/initrd.gz --- quiet\n"
        "    linux    /debian-installer/amd64/linux vga=788 --- quiet\n"
        "    initrd   /debian-installer/amd64/initrd.gz\n"
    )
    assert on_an_iso(menu) == (
        "path \n"
        "include menu.cfg\n"
        "config isolinux.cfg\n"
        "kernel /install.amd/vmlinuz\n"
        "append vga=788 initrd=/install.amd/initrd.gz --- quiet\n"
        "    linux    /install.amd/vmlinuz vga=788 --- quiet\n"
        "    initrd   /install.amd/initrd.gz\n"
    )


def test_an_initrd_has_modules_of_one_kernel() -> None:
    assert kernel_release({"init", "usr/lib/modules/6.12.1+deb13-amd64/modules.dep"}) == (
        "6.12.1+deb13-amd64"
    )
    with pytest.raises(RecipeError, match="modules of 2 kernels"):
        kernel_release({"lib/modules/1/a.ko", "lib/modules/2/a.ko"})


def test_a_file_of_the_archive_is_known_by_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pool").mkdir()
    (tmp_path / "pool" / "a.udeb").write_bytes(b"content")
    monkeypatch.setattr(installer, "mirror", tmp_path.as_uri)
    target = tmp_path / "new" / "a.udeb"
    installer.download("pool/a.udeb", hashlib.sha256(b"content").hexdigest(), target)
    assert target.read_bytes() == b"content"
    with pytest.raises(RecipeError, match="its SHA-256 differs"):
        installer.download("pool/a.udeb", "0" * 64, target)
    with pytest.raises(RecipeError, match="cannot be read"):
        installer.download("pool/b.udeb", "0" * 64, target)

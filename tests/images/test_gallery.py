"""The steps of the gallery, on a small disk with a made-up Linux on it."""

import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.image.os.initramfs import read_initramfs
from harness.trial.result import Result
from images.gallery.build import break_image
from images.gallery.edit import apply_steps, partition_offsets
from images.gallery.entry import Entry, entry_names, load_entry, parse_entry
from images.gallery.ext4 import Ext4
from images.gallery.runner import compare, table
from images.recipe import RecipeError, recipe_names
from tests.image.disks import VERSION, Linux

_EXPECTED = {"outcome": "fail", "stages": ["initrd", "root"], "cause": "boot.disk-not-found"}


def entry(*steps: dict[str, object]) -> Entry:
    table = {"description": "d", "base": "debian-12", "why": "w", "expected": _EXPECTED}
    return parse_entry({**table, "steps": list(steps)})


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    work = tmp_path / "linux"
    work.mkdir()
    Linux(work).write()
    return work / "disk.raw"


def changed(disk: Path, *steps: dict[str, object]) -> Ext4:
    """The file system after the steps; it must still be a sound one."""
    apply_steps(entry(*steps), disk, disk.parent)
    offset = partition_offsets(disk)[2]
    assert offset == 4096 * 512
    check = ["e2fsck", "-f", "-n", f"{disk}?offset={offset}"]
    done = subprocess.run(check, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return Ext4(disk, offset)


def test_every_entry_that_ships_is_valid() -> None:
    assert len(entry_names()) > 30
    for name in entry_names():
        loaded = load_entry(name)
        assert loaded.base in recipe_names()
        assert (loaded.expected.cause is None) == (loaded.expected.outcome == "pass")


def test_a_step_that_does_not_exist_and_one_that_lacks_a_path_are_refused() -> None:
    with pytest.raises(ValidationError, match="'do' does not match"):
        entry({"do": "burn", "path": "/x"})
    with pytest.raises(ValidationError, match="path"):
        entry({"do": "remove"})
    with pytest.raises(RecipeError, match="no such entry; there is"):
        load_entry("../recipes/tiny/recipe")


def test_a_file_is_written_with_its_mode_and_its_folders(disk: Path) -> None:
    step = {"do": "write", "path": "/srv/new/run", "text": "#!/bin/sh\n", "mode": "0755"}
    volume = changed(disk, step, {"do": "write", "path": "/etc/fstab", "text": "empty\n"})
    assert volume.read("/srv/new/run") == b"#!/bin/sh\n"
    assert "Mode:  0755" in volume.commands("stat /srv/new/run")
    assert volume.read("/etc/fstab") == b"empty\n"


def test_files_are_removed_by_a_wildcard_in_any_part(disk: Path) -> None:
    volume = changed(disk, {"do": "remove", "path": "/usr/lib/modules/*/modules.*"})
    with pytest.raises(RecipeError, match=r"modules\.dep: nothing of that name"):
        volume.match(f"/usr/lib/modules/{VERSION}/modules.dep")


def test_text_is_replaced_and_keeps_its_mode(disk: Path) -> None:
    step = {
        "do": "replace",
        "path": "/boot/grub/grub.cfg",
        "pattern": "(linux .*)$",
        "by": r"\1 x=1",
    }
    volume = changed(disk, step)
    assert b"console=ttyS0 x=1\n" in volume.read("/boot/grub/grub.cfg")


def test_step_without_effect_is_an_error(disk: Path) -> None:
    step = {"do": "replace", "path": "/etc/fstab", "pattern": "nowhere", "by": ""}
    with pytest.raises(RecipeError, match=r"^step 1 \(replace\): /etc/fstab: nothing matches"):
        apply_steps(entry(step), disk, disk.parent)
    missing = {"do": "drop-modules", "path": "/boot/initrd.img-*", "modules": ["nvme"]}
    with pytest.raises(RecipeError, match="the module nvme is not in it"):
        apply_steps(entry(missing), disk, disk.parent)
    with pytest.raises(RecipeError, match="there is no partition 7"):
        apply_steps(entry({"do": "remove", "path": "/x", "partition": 7}), disk, disk.parent)
    with pytest.raises(RecipeError, match=r"debugfs: .*File not found"):
        apply_steps(entry({"do": "debugfs", "commands": ["rm /nothing"]}), disk, disk.parent)


def test_modules_are_dropped_from_the_initramfs_and_the_rest_stays(disk: Path) -> None:
    path = f"/boot/initrd.img-{VERSION}"
    before = read_initramfs(Ext4(disk, 4096 * 512).read(path)).names
    step = {"do": "drop-modules", "path": "/boot/initrd.img-*", "modules": ["virtio_scsi", "isofs"]}
    after = read_initramfs(changed(disk, step).read(path)).names
    gone = {Path(name).name for name in before - after}
    assert gone == {"virtio_scsi.ko", "isofs.ko"}
    assert after < before


def test_a_file_is_damaged_where_it_is_said(disk: Path) -> None:
    step = {"do": "damage", "path": "/boot/vmlinuz-*", "at_byte": 1000, "size_bytes": 8}
    content = changed(disk, step).read(f"/boot/vmlinuz-{VERSION}")
    assert content[1000:1008] == b"\xaa" * 8
    assert len(content) == 4096
    with pytest.raises(RecipeError, match="it has only 4096 bytes"):
        apply_steps(entry({**step, "at_byte": 4090}), disk, disk.parent)


def test_a_link_replaces_what_was_there(disk: Path) -> None:
    volume = changed(disk, {"do": "link", "path": "/etc/fstab", "target": "/dev/null"})
    assert 'Fast link dest: "/dev/null"' in volume.commands("stat /etc/fstab")


def test_a_full_file_system_has_no_free_block(disk: Path) -> None:
    assert changed(disk, {"do": "fill-up", "path": "/var/full"}).free_blocks() == 0


def test_boot_code_is_cleared_and_the_partition_table_stays(disk: Path) -> None:
    table_before = disk.read_bytes()[440:512]
    changed(disk, {"do": "clear", "at_byte": 0, "size_bytes": 440})
    head = disk.read_bytes()[:512]
    assert head == bytes(440) + table_before


def test_a_core_without_its_modules_is_smaller(disk: Path) -> None:
    changed(disk, {"do": "grub-core", "modules": ["biosdisk"], "prefix": "(hd0,gpt2)/none"})
    core = disk.read_bytes()[2048 * 512 : 4096 * 512]
    assert b"(hd0,gpt2)/none" in core or len(core.rstrip(b"\0")) < 64 << 10


def test_only_what_changed_is_written_to_the_copy(tmp_path: Path, disk: Path) -> None:
    base, output, scratch = tmp_path / "base.qcow2", tmp_path / "out.qcow2", tmp_path / "scratch"
    pack = ["qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", disk, base]
    subprocess.run(pack, check=True)
    scratch.mkdir()
    broken = entry({"do": "write", "path": "/etc/motd", "text": "hello\n"})
    break_image(broken, base, scratch, output)
    apply_steps(broken, disk, scratch)
    assert output.stat().st_size < base.stat().st_size + (2 << 20)
    raw = tmp_path / "out.raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", output, raw], check=True)
    assert Ext4(raw, 4096 * 512).read("/etc/motd") == b"hello\n"
    compared = subprocess.run(["qemu-img", "check", output], capture_output=True, text=True)
    assert compared.returncode == 0, compared.stdout


def result(**more: object) -> Result:
    fields: dict[str, object] = {
        "image": {
            "location": "x",
            "format": "qcow2",
            "file_size_bytes": 1,
            "virtual_size_bytes": 1,
        },
        "provider": "contabo",
        "outcome": "fail",
        "stage": "initrd",
        "cause": "boot.disk-not-found",
        "findings": [],
        "prediction": {"will_boot": False},
        "timings_s": {"verdict": 40.0},
        "run_dir": None,
        "tool": {"version": "0", "qemu": None, "accel": None, "backend": "qemu"},
    }
    return Result.model_validate({**fields, **more})


def test_unexpected_results_are_named_and_counted() -> None:
    right = compare("a", entry(), result(), 0.0, 50.0)
    assert right.wrong == ()
    assert right.saved_s == 260.0
    wrong = compare("b", entry(), result(stage="userspace", cause="boot.hung"), 0.0, 50.0)
    assert wrong.wrong == ("stage", "cause")
    printed = table([right, wrong])
    assert (
        "| a | fail, initrd or root, boot.disk-not-found | fail, initrd, boot.disk-not-found |"
        in (printed)
    )
    assert "**wrong: stage, cause**" in printed
    assert "2 entries: 1 right, 1 wrong; of the predictions 1 contrary to the boot" in printed

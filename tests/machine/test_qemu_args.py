import json
from dataclasses import replace
from pathlib import Path

from harness.guest_network import GuestNetwork
from harness.machine.qemu_args import qemu_args
from harness.machine.spec import DirectKernel, Endpoints, Flash, MachineSpec


def endpoints(folder: Path) -> Endpoints:
    return Endpoints(
        *(folder / name for name in ("qmp", "serial", "firmware", "receiver")),
        *(folder / name for name in ("network.pcap", "stderr")),
    )


def spec(folder: Path) -> MachineSpec:
    return MachineSpec(
        chipset="pc",
        cpus=2,
        memory_mib=2048,
        accelerator="tcg",
        cpu_model="max",
        image=folder / "image.qcow2",
        image_format="qcow2",
        disk_size_bytes=1 << 30,
        overlay=folder / "overlay.qcow2",
        seed=folder / "seed.iso",
        mac="00:50:56:12:34:56",
        disk_address="05.0",
        nic_address="12.0",
        balloon_address="03.0",
        network=GuestNetwork(),
    )


def values(args: list[str], option: str) -> list[str]:
    return [args[at + 1] for at, word in enumerate(args) if word == option]


def test_the_image_is_read_only_under_the_overlay_and_leads_nowhere_else() -> None:
    args = qemu_args(spec(Path("/x")), endpoints(Path("/x")))
    disk = json.loads(values(args, "-blockdev")[0])
    assert disk["file"] == {"driver": "file", "filename": "/x/overlay.qcow2"}
    image = disk["backing"]
    assert image["driver"] == "qcow2"
    assert image["read-only"] is True
    assert image["file"]["read-only"] is True
    assert image["backing"] is None, "a backing file named in the image must not be opened"


def test_the_machine_starts_stopped_and_without_defaults() -> None:
    args = qemu_args(spec(Path("/x")), endpoints(Path("/x")))
    assert {"-S", "-nodefaults", "-no-user-config"} <= set(args)
    assert values(args, "-boot") == ["strict=on"]


def test_the_network_is_closed_and_the_nic_has_no_rom() -> None:
    args = qemu_args(spec(Path("/x")), endpoints(Path("/x")))
    (netdev,) = values(args, "-netdev")
    assert "restrict=on" in netdev.split(",")
    assert "ipv6=off" in netdev.split(",")
    (nic,) = [device for device in values(args, "-device") if device.startswith("virtio-net")]
    assert {"romfile=", "addr=12.0", "mac=00:50:56:12:34:56"} <= set(nic.split(","))


def test_a_comma_in_a_path_is_no_new_option() -> None:
    folder = Path("/a,server=on")
    args = qemu_args(spec(folder), endpoints(folder))
    sockets = [value for value in values(args, "-chardev") if "path=" in value]
    assert len(sockets) == 4
    assert all("path=/a,,server=on/" in value for value in sockets)


def test_uefi_is_in_flash_its_code_read_only_and_boots_from_no_network() -> None:
    flash = Flash(Path("/fw/code,x"), "raw", Path("/x/variables"), "qcow2")
    args = qemu_args(replace(spec(Path("/x")), firmware=flash), endpoints(Path("/x")))
    code, variables = (json.loads(text) for text in values(args, "-blockdev")[:2])
    assert (code["driver"], code["read-only"]) == ("raw", True)
    assert code["file"] == {"driver": "file", "filename": "/fw/code,x", "read-only": True}
    assert (variables["driver"], variables["read-only"]) == ("qcow2", False)
    (machine,) = values(args, "-machine")
    assert machine == f"pc,usb=off,pflash0={code['node-name']},pflash1={variables['node-name']}"
    assert len(values(args, "-fw_cfg")) == 2
    assert values(args, "-boot") == ["strict=on"]
    assert [word for word in values(args, "-device") if "bootindex=2" in word] == [
        "ide-cd,id=seed,bus=ide.1,drive=seed,bootindex=2"
    ]


def test_a_firmware_without_variables_has_one_chip() -> None:
    flash = Flash(Path("/fw/code"), "raw")
    args = qemu_args(replace(spec(Path("/x")), firmware=flash), endpoints(Path("/x")))
    assert "pflash1" not in values(args, "-machine")[0]


def test_a_bios_has_no_flash_of_ours_and_starts_the_disk_only() -> None:
    args = qemu_args(spec(Path("/x")), endpoints(Path("/x")))
    assert values(args, "-machine") == ["pc,usb=off"]
    assert values(args, "-fw_cfg") == []
    assert sum("bootindex" in word for word in values(args, "-device")) == 1


def disc_spec(folder: Path) -> MachineSpec:
    return replace(spec(folder), image=None, disc=folder / "disc.iso")


def test_a_disc_is_a_read_only_cd_that_is_tried_after_an_empty_disk() -> None:
    args = qemu_args(disc_spec(Path("/x")), endpoints(Path("/x")))
    disk, disc, seed = (json.loads(text) for text in values(args, "-blockdev"))
    assert disk["file"]["filename"] == "/x/overlay.qcow2"
    assert disk["backing"] is None
    assert (disc["read-only"], disc["file"]["filename"]) == (True, "/x/disc.iso")
    assert seed["file"]["filename"] == "/x/seed.iso"
    devices = values(args, "-device")
    assert "ide-cd,id=disc,bus=ide.0,drive=disc,bootindex=2" in devices
    assert any(word.startswith("scsi-hd,") and "bootindex=1" in word for word in devices)
    assert sum("bootindex" in word for word in devices) == 2


def test_under_uefi_the_seed_comes_after_the_disc() -> None:
    flash = Flash(Path("/fw/code"), "raw")
    args = qemu_args(replace(disc_spec(Path("/x")), firmware=flash), endpoints(Path("/x")))
    assert "ide-cd,id=seed,bus=ide.1,drive=seed,bootindex=3" in values(args, "-device")


def test_an_installation_starts_a_kernel_of_ours_and_ends_with_a_reset() -> None:
    direct = DirectKernel(Path("/x/kernel"), Path("/x/initrd"), "auto=true --- console=ttyS0")
    args = qemu_args(replace(disc_spec(Path("/x")), direct=direct), endpoints(Path("/x")))
    assert values(args, "-kernel") == ["/x/kernel"]
    assert values(args, "-initrd") == ["/x/initrd"]
    assert values(args, "-append") == ["auto=true --- console=ttyS0"]
    assert values(args, "-action") == ["reboot=shutdown"]


def test_the_screen_is_served_only_where_a_socket_is_named() -> None:
    ways_in = endpoints(Path("/x"))
    assert "-vnc" not in qemu_args(spec(Path("/x")), ways_in)
    args = qemu_args(spec(Path("/x")), replace(ways_in, vnc_socket=Path("/x,y/vnc.sock")))
    assert values(args, "-vnc") == ["unix:/x,,y/vnc.sock"]
    assert values(args, "-display") == ["none"]

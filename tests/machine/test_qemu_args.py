import json
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from harness.machine.pci import root_ports
from harness.machine.qemu_args import qemu_args
from harness.machine.spec import DirectKernel, Flash, MachineSpec
from harness.seed.delivery import SeedDrive, SeedService
from tests.machine.specs import endpoints, iso_spec, spec


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
        "ide-cd,bus=ide.1,id=seed,drive=seed,bootindex=2"
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


def test_an_iso_is_a_read_only_cd_that_is_tried_after_an_empty_disk() -> None:
    args = qemu_args(iso_spec(Path("/x")), endpoints(Path("/x")))
    disk, iso, seed = (json.loads(text) for text in values(args, "-blockdev"))
    assert disk["file"]["filename"] == "/x/overlay.qcow2"
    assert disk["backing"] is None
    assert (iso["read-only"], iso["file"]["filename"]) == (True, "/x/installer.iso")
    assert seed["file"]["filename"] == "/x/seed.iso"
    devices = values(args, "-device")
    assert "ide-cd,bus=ide.0,id=iso,drive=iso,bootindex=2" in devices
    assert any(word.startswith("scsi-hd,") and "bootindex=1" in word for word in devices)
    assert sum("bootindex" in word for word in devices) == 2


def test_under_uefi_the_seed_comes_after_the_iso() -> None:
    flash = Flash(Path("/fw/code"), "raw")
    args = qemu_args(replace(iso_spec(Path("/x")), firmware=flash), endpoints(Path("/x")))
    assert "ide-cd,bus=ide.1,id=seed,drive=seed,bootindex=3" in values(args, "-device")


def test_an_installation_starts_a_kernel_of_ours_and_ends_with_a_reset() -> None:
    direct = DirectKernel(Path("/x/kernel"), Path("/x/initrd"), "auto=true --- console=ttyS0")
    args = qemu_args(replace(iso_spec(Path("/x")), direct=direct), endpoints(Path("/x")))
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


def q35_spec(folder: Path) -> MachineSpec:
    return replace(
        spec(folder),
        chipset="q35",
        disk_bus="virtio-blk",
        seed=SeedDrive(folder / "seed.iso", "sata"),
        nic_address="01:00.0",
        disk_address="03:00.0",
        balloon_address="0a.0",
    )


def test_a_bus_of_its_own_is_behind_a_root_port() -> None:
    devices = values(qemu_args(q35_spec(Path("/x")), endpoints(Path("/x"))), "-device")
    assert [word for word in devices if word.startswith("pcie-root-port")] == [
        "pcie-root-port,id=port1,bus=pcie.0,chassis=1,port=1,addr=02.0,multifunction=on",
        "pcie-root-port,id=port2,bus=pcie.0,chassis=2,port=2,addr=02.1",
        "pcie-root-port,id=port3,bus=pcie.0,chassis=3,port=3,addr=02.2",
    ]
    (nic,) = [word for word in devices if word.startswith("virtio-net")]
    assert nic.endswith(",bus=port1,addr=00.0")
    (disk,) = [word for word in devices if word.startswith("virtio-blk")]
    assert "bus=port3,addr=00.0,id=disk" in disk
    assert "virtio-balloon-pci,id=balloon,addr=0a.0" in devices


def test_a_root_port_keeps_out_of_a_slot_that_is_named() -> None:
    ports = root_ports(["02.0", "09:00.0", "03.0"])
    assert ports[1].endswith("addr=04.0,multifunction=on")
    assert ports[-1] == (
        "pcie-root-port,id=port9,bus=pcie.0,chassis=9,port=9,addr=05.0,multifunction=on"
    )
    assert root_ports(["05.0", "12.0"]) == []


def test_the_drives_of_a_q35_have_a_port_of_its_ahci_each() -> None:
    machine = replace(
        q35_spec(Path("/x")), image=None, iso=Path("/x/installer.iso"), disk_bus="sata"
    )
    devices = values(qemu_args(machine, endpoints(Path("/x"))), "-device")
    ports = [word.split(",")[:2] for word in devices if word.startswith("ide-")]
    assert sorted(ports) == [
        ["ide-cd", "bus=ide.1"],
        ["ide-cd", "bus=ide.2"],
        ["ide-hd", "bus=ide.0"],
    ]
    assert not any("ahci" in word for word in devices)


@pytest.mark.parametrize(("nic", "slot"), [("03.0", "06"), ("06.0", "07")])
def test_a_seed_on_virtio_blk_is_found_after_the_disk(nic: str, slot: str) -> None:
    seed = SeedDrive(Path("/x/seed.iso"), "virtio-blk")
    machine = replace(spec(Path("/x")), seed=seed, nic_address=nic)
    devices = values(qemu_args(machine, endpoints(Path("/x"))), "-device")
    assert f"virtio-blk-pci,addr={slot}.0,id=seed,drive=seed" in devices


def test_a_disk_that_the_chipset_cannot_have_is_a_fault_of_the_program() -> None:
    with pytest.raises(ValueError, match="a q35 has no ide"):
        qemu_args(replace(q35_spec(Path("/x")), disk_bus="ide"), endpoints(Path("/x")))


def test_secure_boot_keeps_its_variables_behind_smm() -> None:
    flash = Flash(Path("/fw/code"), "raw", Path("/x/variables"), smm=True)
    args = qemu_args(replace(q35_spec(Path("/x")), firmware=flash), endpoints(Path("/x")))
    assert values(args, "-machine")[0].startswith("q35,usb=off,smm=on,pflash0=")
    assert values(args, "-global") == ["driver=cfi.pflash01,property=secure,value=on"]


@pytest.mark.parametrize(("made", "interface"), [(spec, "tpm-tis"), (q35_spec, "tpm-crb")])
def test_a_tpm_is_behind_a_socket(made: Callable[[Path], MachineSpec], interface: str) -> None:
    args = qemu_args(replace(made(Path("/x")), tpm=Path("/x,y/tpm")), endpoints(Path("/x")))
    assert "socket,id=tpm,path=/x,,y/tpm" in values(args, "-chardev")
    assert values(args, "-tpmdev") == ["emulator,id=tpm0,chardev=tpm"]
    assert f"{interface},tpmdev=tpm0" in values(args, "-device")


def test_a_served_seed_is_reached_at_its_address_and_has_no_drive() -> None:
    address = IPv4Address("169.254.169.254")
    seed = SeedService(address, 80, {"/x": b""}, ("type=1,product=OpenStack Nova",))
    args = qemu_args(replace(spec(Path("/x")), seed=seed), endpoints(Path("/x")))
    (netdev,) = values(args, "-netdev")
    assert "guestfwd=tcp:203.0.113.2:80-chardev:receiver" in netdev
    assert "guestfwd=tcp:169.254.169.254:80-chardev:seed-service" in netdev
    assert "net=128.0.0.0/128.0.0.0" in netdev
    sockets = [value for value in values(args, "-chardev") if "path=/x/receiver" in value]
    assert len(sockets) == 2
    assert values(args, "-smbios") == ["type=1,product=OpenStack Nova"]
    assert not any("id=seed" in word for word in values(args, "-device"))

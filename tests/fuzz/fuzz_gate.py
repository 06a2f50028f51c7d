"""Mutated images against the gate: no exception, no second, no memory without bound.

    python tests/fuzz/fuzz_gate.py qcow2|iso [options of libFuzzer, such as -runs=1000000]

Real images are the seeds. A disc is fed sparse, as sectors with their numbers, so that what a
mutation touches is a descriptor or a directory and not the space between them.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["harness"]):
    from harness.examine.gate import gate
    from harness.image.source import Memory
    from harness.provider.profile import load_profile

SECTOR_BYTES = 2048
RECORD_BYTES = 2 + SECTOR_BYTES
ISO_BYTES = 4 << 20


class Sectors:
    """A disc of which only some sectors are not zero: records of a number and its content."""

    location = "disc.iso"
    size_bytes = ISO_BYTES
    bytes_read = 0

    def __init__(self, packed: bytes) -> None:
        self._sectors = {}
        for at in range(0, len(packed), RECORD_BYTES):
            number = int.from_bytes(packed[at : at + 2], "little")
            content = packed[at + 2 : at + RECORD_BYTES]
            self._sectors[number] = content.ljust(SECTOR_BYTES, b"\0")

    def begin_with(self, number: int, magic: bytes) -> None:
        """Let the sector begin with ``magic``."""
        old = self._sectors.get(number, bytes(SECTOR_BYTES))
        self._sectors[number] = magic + old[len(magic) :]

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.size_bytes - offset))
        first, last = offset // SECTOR_BYTES, (offset + length) // SECTOR_BYTES
        if length == 0:
            return b""
        empty = bytes(SECTOR_BYTES)
        span = b"".join(self._sectors.get(index, empty) for index in range(first, last + 1))
        start = offset - first * SECTOR_BYTES
        return span[start : start + length]


def pack(iso: bytes) -> bytes:
    """The sectors of ``disc`` that are not zero, as ``Sectors`` reads them."""
    records = []
    for number in range(len(iso) // SECTOR_BYTES):
        content = iso[number * SECTOR_BYTES : (number + 1) * SECTOR_BYTES]
        if any(content):
            records.append(number.to_bytes(2, "little") + content)
    return b"".join(records)


def run(*words: object, **more: object) -> None:
    subprocess.run([str(word) for word in words], check=True, capture_output=True, **more)


def qcow2_seeds(work: Path, seeds: Path) -> None:
    raw = work / "disk.raw"
    raw.write_bytes(b"some bytes of a disk " * 3000 + bytes(40_000))
    small = "cluster_size=512"
    for number, options in enumerate(
        (
            ["-o", f"{small},compat=0.10"],
            ["-o", small],
            ["-c", "-o", small],
            ["-c", "-o", "cluster_size=4096,compression_type=zstd"],
            ["-o", "cluster_size=16k,extended_l2=on"],
        )
    ):
        run("qemu-img", "convert", "-O", "qcow2", *options, raw, seeds / f"disk-{number}")
    run("qemu-img", "snapshot", "-c", "one", seeds / "disk-1")
    run("qemu-img", "create", "-f", "qcow2", "-b", raw, "-F", "raw", "-o", small, seeds / "backed")
    data = f"{small},data_file={work / 'data'}"
    run("qemu-img", "create", "-f", "qcow2", "-o", data, seeds / "data-file", "64k")


def iso_seeds(work: Path, seeds: Path) -> None:
    tree = work / "tree"
    for path in ("install.amd/vmlinuz", "casper/install-sources.yaml", "sources/boot.wim"):
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text("x")
    (tree / "EFI/BOOT").mkdir(parents=True)
    program = b"MZ".ljust(60, b"\0") + (64).to_bytes(4, "little") + b"PE\0\0\x64\x86"
    (tree / "EFI/BOOT/BOOTX64.EFI").write_bytes(program)
    (tree / "boot.bin").write_bytes(b"\xfa\xf4" + bytes(2046))
    efi = tree / "efi.img"
    run("mkfs.vfat", "-C", efi, "64")
    run("mmd", "-i", efi, "::/EFI", "::/EFI/BOOT")
    run("mcopy", "-i", efi, tree / "EFI/BOOT/BOOTX64.EFI", "::/EFI/BOOT/")
    bios = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4")
    both = (*bios, "-eltorito-alt-boot", "-e", "efi.img", "-no-emul-boot")
    xorriso = ("xorriso", "-as", "mkisofs", "-R", "-J", "-partition_offset", "16")
    isos = {
        "bios": (*xorriso, *bios),
        "both": (*xorriso, *both),
        "plain": ("genisoimage", *bios),
        "udf": ("genisoimage", "-udf", *bios),
    }
    for name, words in isos.items():
        run(*words, "-o", work / name, tree)
        (seeds / name).write_bytes(pack((work / name).read_bytes()))


PROFILE = load_profile("contabo")


def try_qcow2(content: bytes) -> None:
    # Without its magic a file is none of ours: no input is wasted on that.
    version = 2 + (content[7] & 1 if len(content) > 7 else 0)
    gate(Memory(b"QFI\xfb\0\0\0" + bytes([version]) + content[8:], "disk.qcow2"), PROFILE)


def try_iso(content: bytes) -> None:
    iso = Sectors(content)
    iso.begin_with(16, b"\1CD001\1")
    gate(iso, PROFILE)


TARGETS = {"qcow2": (try_qcow2, qcow2_seeds), "iso": (try_iso, iso_seeds)}


def main() -> None:
    target, make_seeds = TARGETS[sys.argv[1]]
    with tempfile.TemporaryDirectory() as name:
        work, seeds = Path(name), Path(name) / "seeds"
        seeds.mkdir()
        make_seeds(work, seeds)
        # One second an input, and 256 MB over what the interpreter needs with its instruments.
        limits = ["-timeout=1", "-rss_limit_mb=400", "-max_len=262144", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *sys.argv[2:], str(seeds)], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()

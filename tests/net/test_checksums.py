"""Checksum files in the formats that distributions publish; the samples are our own."""

from __future__ import annotations

import random
import re

import pytest

from harness.net.checksums import MAX_BYTES, Checksum, checksum_for, newest_name

A, B = "0a" * 32, "1b" * 32
A512, B512 = "0a" * 64, "1b" * 64

DEBIAN = f"""\
{B512}  debian-12-generic-amd64.json
{A512}  debian-12-generic-amd64.qcow2
"""
UBUNTU = f"{B} *noble-server-cloudimg-amd64.img.manifest\n{A} *noble-server-cloudimg-amd64.img\n"
FEDORA = f"""\
-----BEGIN PGP SIGNED MESSAGE-----
Hash: SHA256

# Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2: 556793856 bytes
SHA256 (Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2) = {A}
# Fedora-Cloud-Base-UEFI-UKI-43-1.6.x86_64.qcow2: 577110016 bytes
SHA256 (Fedora-Cloud-Base-UEFI-UKI-43-1.6.x86_64.qcow2) = {B}
-----BEGIN PGP SIGNATURE-----

{B}
iQIzBAEBCAAdFiEExvQnHWFXo1OqBkLyqWvXBnzVxgEFAmj5ziEACgkQqWvXBnzV
=nVzE
-----END PGP SIGNATURE-----
"""
CENTOS = f"""\
# CentOS-Stream-GenericCloud-10-20251110.0.x86_64.qcow2: 971571200 bytes
SHA256 (CentOS-Stream-GenericCloud-10-20251110.0.x86_64.qcow2) = {B}
# CentOS-Stream-GenericCloud-10-latest.x86_64.qcow2: 971571200 bytes
SHA256 (CentOS-Stream-GenericCloud-10-latest.x86_64.qcow2) = {A}
"""
ARCH = f"{A}  archlinux-2026.11.01-x86_64.iso\n{A}  archlinux-x86_64.iso\n"
FREEBSD = f"""\
SHA512 (FreeBSD-15.0-RELEASE-amd64-bootonly.iso) = {B512}
SHA512 (FreeBSD-15.0-RELEASE-amd64-disc1.iso) = {A512}
"""
OPENSUSE = f"{A}  openSUSE-Leap-16.0-Minimal-VM.x86_64-16.0.0-Cloud-Build16.2.qcow2\n"


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        (DEBIAN, "debian-12-generic-amd64.qcow2", Checksum("sha512", A512)),
        (UBUNTU, "noble-server-cloudimg-amd64.img", Checksum("sha256", A)),
        (FEDORA, "Fedora-Cloud-Base-Generic-43-1.6.x86_64.qcow2", Checksum("sha256", A)),
        (CENTOS, "CentOS-Stream-GenericCloud-10-latest.x86_64.qcow2", Checksum("sha256", A)),
        (ARCH, "archlinux-x86_64.iso", Checksum("sha256", A)),
        (FREEBSD, "FreeBSD-15.0-RELEASE-amd64-disc1.iso", Checksum("sha512", A512)),
        (f"{A512}\n", "alpine.qcow2", Checksum("sha512", A512)),
        (f"{A.upper()}  ./x.img\r\n{B}  y.img\r\n", "x.img", Checksum("sha256", A)),
        (f"SHA2-256(x.img)= {A}", "x.img", Checksum("sha256", A)),
        (f"SHA384 (x.img) = {'0a' * 48}", "x.img", Checksum("sha384", "0a" * 48)),
        (f"{A}  images/x y (1).img", "x y (1).img", Checksum("sha256", A)),
        (f"SHA256 (x y (1).img) = {A}", "x y (1).img", Checksum("sha256", A)),
    ],
)
def test_formats_of_distributions_are_parsed(text: str, name: str, expected: Checksum) -> None:
    assert checksum_for(text, name) == expected
    assert checksum_for(text.replace("\n", "\r\n"), name) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"{B}  other.img\n",
        f"{B}  x.img.sig\n{B}  ax.img\n",
        f"{B}\n{A}\n",  # two digests without a name: their files are unknown
        f"SHA512 (x.img) = {A}\n",  # too short for SHA-512
        f"{'0' * 40}  x.img\n{'0' * 32}  x.img\n",  # SHA-1, MD5
        f"{'0' * 65}  x.img\n",
        f"MD5 (x.img) = {'0' * 32}\n",
        "<html><title>404</title></html>",
    ],
)
def test_a_text_without_the_checksum_gives_none(text: str) -> None:
    assert checksum_for(text, "x.img") is None


def test_only_the_signed_part_of_a_signed_text_counts() -> None:
    outside = f"{B}  x.img\n"
    signed = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{A}  y.img\n"
    signature = f"-----BEGIN PGP SIGNATURE-----\n\n{outside}-----END PGP SIGNATURE-----\n"
    text = outside + signed + signature + outside
    assert checksum_for(text, "x.img") is None
    assert checksum_for(text, "y.img") == Checksum("sha256", A)
    assert checksum_for(f"{A}\n{signature}", "x.img") == Checksum("sha256", A)
    assert checksum_for(signature, "x.img") is None
    dashed = signed.replace(f"{A}  y", f"- {A}  y")
    assert checksum_for(dashed, "y.img") == Checksum("sha256", A)


def test_different_files_of_one_name_give_no_checksum() -> None:
    text = f"{A}  ./netboot/mini.iso\n{B}  ./netboot/gtk/mini.iso\n"
    assert checksum_for(text, "mini.iso") is None
    assert checksum_for(f"{text}{B}  ./mini.iso\n", "mini.iso") == Checksum("sha256", B)
    assert checksum_for(text.replace(B, A), "mini.iso") == Checksum("sha256", A)


def test_a_single_row_may_name_the_build_behind_the_link() -> None:
    name = "openSUSE-Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2"
    assert checksum_for(OPENSUSE, name) is None
    assert checksum_for(OPENSUSE, name, of_any_name=True) == Checksum("sha256", A)
    assert checksum_for(OPENSUSE * 2, name, of_any_name=True) is None


@pytest.mark.parametrize(
    ("names", "pattern", "expected"),
    [
        (
            ("debian-13.9.0-amd64-netinst.iso", "debian-13.10.0-amd64-netinst.iso"),
            "debian-*-netinst.iso",
            "debian-13.10.0-amd64-netinst.iso",
        ),
        (("a-20251110.0.qcow2", "a-20251103.12.qcow2"), "a-*.qcow2", "a-20251110.0.qcow2"),
        (("a-2.iso", "a-2.1.iso", "a-02.1.iso"), "a-*.iso", "a-2.1.iso"),
        (("a-3.23.0_rc2.iso", "a-3.23.0.iso"), "a-*.iso", "a-3.23.0.iso"),
        (("a-3.23.0_rc2.iso", "a-3.23.0_rc10.iso"), "a-*.iso", "a-3.23.0_rc10.iso"),
        (("arch-1.iso", "arch-2.iso"), "arch-*.iso", "arch-2.iso"),
        (("dir/a-2.iso", "a-1.iso"), "a-*.iso", "a-2.iso"),
        (("A-1.ISO",), "a-*.iso", None),
        (("a-1.iso.sig",), "a-*.iso", None),
        ((".", "..", "a/", "a/.."), "*", None),
    ],
)
def test_newest_name_compares_versions(
    names: tuple[str, ...], pattern: str, expected: str | None
) -> None:
    rows = [f"{A}  {name}\n" for name in names]
    assert newest_name("".join(rows), pattern) == expected
    assert newest_name("".join(reversed(rows)), pattern) == expected


def test_a_number_of_many_digits_is_compared_by_value() -> None:
    long = "9" * 200
    assert newest_name(f"{A}  a-{long}.iso\n{A}  a-1{long}.iso\n", "a-*.iso") == f"a-1{long}.iso"


def test_hostile_texts_never_raise_and_are_read_in_part() -> None:
    pieces = [A, A512, "SHA256 (", ") = ", " *", "  ", "x.img", "\n", "\r", "\0", "- ", "..", "٣"]
    pieces += ["-----BEGIN PGP SIGNED MESSAGE-----", "-----BEGIN PGP SIGNATURE-----", "\ud800", "/"]
    chance = random.Random(1)
    for _ in range(2000):
        text = "".join(chance.choices(pieces, k=30))
        checksum_for(text, "x.img", of_any_name=True)
        name = newest_name(text, "*")
        assert name is None or ("/" not in name and re.search(re.escape(name), text))
    late = "#" * 99 + "\n"
    assert checksum_for(late * (MAX_BYTES // 100 + 1) + f"{A}  x.img\n", "x.img") is None
    for text in (f"SHA256 ({') = ' * (1 << 18)}", "(" * MAX_BYTES, f"{A}  {'9' * MAX_BYTES}"):
        assert checksum_for(text, "x.img") is None
        assert newest_name(text, "*[0-9]*") is None

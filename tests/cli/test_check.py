"""``harness check`` and ``harness explain``, as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.model.finding import finding_catalog
from harness.report.findings_page import findings_page
from tests.image.isos import bios_loader, tree, xorriso
from tests.program import HARNESS, harness
from tests.server import Server, serving

pytestmark = pytest.mark.programs

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A disk with code in its first sector that nobody knows: nothing speaks against it."""
    folder = tmp_path_factory.mktemp("disk")
    raw, image = folder / "disk.raw", folder / "disk.qcow2"
    with raw.open("wb") as file:
        file.write(b"\xfa\xf4\xeb\xfd")
        file.truncate(3 << 30)
    script = "label: dos\n,,83\n"
    subprocess.run(["sfdisk", "-q", raw], input=script, text=True, check=True)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", raw, image], check=True)
    return image


@pytest.fixture
def server(disk: Path) -> Iterator[Server]:
    content = disk.read_bytes()
    with serving({"disk.qcow2": content, "image.qcow2": content}) as running:
        yield running


def test_a_sound_image_passes_and_nothing_is_kept(disk: Path, tmp_path: Path) -> None:
    done = harness("check", disk, "--json", env={"XDG_STATE_HOME": str(tmp_path)})
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert (result["outcome"], result["stage"], result["cause"]) == ("pass", None, None)
    assert result["image"]["format"] == "qcow2"
    assert result["image"]["virtual_size_bytes"] == 3 << 30
    assert 0 < result["image"]["bytes_read"] < 2_000_000
    assert (result["run_dir"], result["tool"]["qemu"]) == (None, None)
    assert result["timings_s"]["check"] >= 0
    assert list(tmp_path.iterdir()) == []
    assert "contabo takes this image; it was not booted" in harness("check", disk).stdout


def test_a_check_can_be_kept_and_judged_again(disk: Path, tmp_path: Path) -> None:
    done = harness("check", disk, "--json", "--run-dir", tmp_path / "run")
    again = harness("replay", tmp_path / "run", "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)


def test_strict_makes_a_warning_a_fail(disk: Path, tmp_path: Path) -> None:
    image = tmp_path / "disk.iso"
    image.write_bytes(disk.read_bytes())
    assert harness("check", image).returncode == 0
    done = harness("check", image, "--strict", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["cause"] == "format.name-mismatch"


def test_an_iso_is_described(tmp_path: Path) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    options = ("-b", "boot.bin", "-no-emul-boot", "-boot-load-size", "4", "-V", "Debian \x1b[31m")
    iso = xorriso(tmp_path / "disc.iso", folder, *options)
    done = harness("check", iso)
    assert done.returncode == 0
    assert "Debian installer disc" in done.stdout
    assert "\x1b" not in done.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--until", "seed"), "--until seed: is for a disk image"),
        (("--archive", "http://127.0.0.1/debian"), "add --install"),
        (("--install", "--answers", "none.cfg"), "none.cfg: cannot be read"),
        (("--install", "--archive", "ftp://a/b"), "only http and https links"),
        (("--install",), "the disc has none of these pairs"),
    ],
)
def test_option_for_disks_is_refused_for_an_iso(
    tmp_path: Path, options: tuple[str, ...], said: str
) -> None:
    folder = tree(tmp_path / "t", "install.amd/vmlinuz")
    bios_loader(folder)
    iso = xorriso(tmp_path / "disc.iso", folder, "-b", "boot.bin", "-no-emul-boot")
    done = harness("verify", iso, "--run-dir", tmp_path / "run", "--accel", "tcg", *options)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


def test_a_link_names_where_it_leads(server: Server) -> None:
    done = harness("check", server.url("away/image.qcow2"), "--json")
    result = json.loads(done.stdout)
    assert done.returncode == 0
    assert result["image"]["final_url"] == server.url("image.qcow2")
    assert "leads to" in harness("check", server.url("away/image.qcow2")).stdout


def test_a_link_that_gives_no_ranges_is_not_looked_into(server: Server) -> None:
    words = [HARNESS, "check", server.url("no-range/large.qcow2")]
    server.files["large.qcow2"] = server.files["disk.qcow2"] + bytes(1 << 20)
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "was not looked into" in done.stdout


def test_a_link_without_a_file_fails(server: Server) -> None:
    done = harness("check", server.url("login/disk.qcow2"), "--json")
    result = json.loads(done.stdout)
    assert (done.returncode, result["cause"]) == (1, "url.not-direct")
    assert result["image"]["format"] == "unknown"
    assert "of unknown size" in harness("check", server.url("login/disk.qcow2")).stdout


def test_verify_refuses_a_link_before_the_download(server: Server, tmp_path: Path) -> None:
    server.files["disk.qcow2"] = b"\x1f\x8b\x08\x00" + bytes(5_000_000)
    env = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = harness("verify", server.url("disk.qcow2"), "--json", env=env)
    result = json.loads(done.stdout)
    assert (done.returncode, result["cause"]) == (1, "format.archive")
    assert result["image"]["bytes_read"] < 200_000
    assert not (tmp_path / "harness" / "downloads").exists()


def test_verify_reports_a_wrong_checksum(server: Server, tmp_path: Path) -> None:
    env = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = harness("verify", server.url("disk.qcow2"), "--json", "--sha256", "0" * 64, env=env)
    assert (done.returncode, json.loads(done.stdout)["cause"]) == (1, "url.checksum-mismatch")


@pytest.mark.parametrize(
    ("sums", "cause", "said"),
    [
        ("SUMS", "url.checksum-mismatch", "not the one that SUMS names"),
        ("MISSING", "url.no-checksum", "cannot be had: the server answers 404"),
        ("OTHER", "url.no-checksum", "does not name disk.qcow2"),
    ],
)
def test_verify_compares_a_download_with_a_named_list(
    server: Server, tmp_path: Path, sums: str, cause: str, said: str
) -> None:
    server.files["SUMS"] = b"0" * 128 + b"  disk.qcow2\n"
    server.files["OTHER"] = b"0" * 128 + b"  other.qcow2\n"
    env = {"XDG_CACHE_HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path)}
    done = harness("verify", server.url("disk.qcow2"), "--json", "--checksums", sums, env=env)
    result = json.loads(done.stdout)
    assert (done.returncode, result["cause"]) == (1, cause)
    assert said in next(row["statement"] for row in result["findings"] if row["id"] == cause)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("check",), "Missing argument"),
        (("check", "ftp://example.org/x.iso"), "only http and https"),
        (("check", "/nonexistent"), "No such file"),
        (("verify", "x.qcow2", "--sha256", "0" * 64), "is for a link"),
        (("verify", "http://example.org/x", "--sha256", "abc"), "64 hexadecimal digits"),
        (("verify", "x.qcow2", "--checksums", "SHA256SUMS"), "is for a link"),
        (
            ("verify", "http://example.org/x", "--sha256", "0" * 64, "--checksums", "SHA256SUMS"),
            "give one of them",
        ),
        (("explain", "qcow2.backing"), "did you mean qcow2.backing-file"),
        (("explain", "zzz"), "no such finding"),
    ],
)
def test_wrong_options_are_refused(words: tuple[str, ...], said: str) -> None:
    done = harness(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


# The host is innocent: no other file of it is opened


@pytest.mark.parametrize("how", ["backing file", "data file", "both by json", "symlink on a disc"])
def test_no_other_file_of_the_host_is_opened(tmp_path: Path, how: str) -> None:
    secret = tmp_path / "secret-of-the-host"
    secret.write_bytes(bytes(1 << 20))
    image = tmp_path / "image.qcow2"
    create = ["qemu-img", "create", "-q", "-f", "qcow2"]
    if how == "backing file":
        subprocess.run([*create, "-b", secret, "-F", "raw", image], check=True)
    elif how == "data file":
        subprocess.run([*create, "-o", f"data_file={secret}", image, "1M"], check=True)
    elif how == "both by json":
        protocol = {"driver": "file", "filename": str(secret)}
        name = "json:" + json.dumps({"driver": "raw", "file": protocol})
        subprocess.run([*create, "-u", "-b", name, "-F", "raw", image, "1M"], check=True)
    else:
        folder = tree(tmp_path / "t", "readme.txt")
        (folder / "install.amd").mkdir()
        (folder / "install.amd/vmlinuz").symlink_to(secret)
        xorriso(image, folder)
    trace = tmp_path / "trace"
    watched = "open,openat,openat2,readlink,readlinkat,stat,lstat,newfstatat,statx,execve"
    words = ["strace", "-f", "-qq", "-s", "4096", "-e", f"trace={watched}", "-o", trace]
    done = subprocess.run([*words, HARNESS, "check", image], capture_output=True, check=False)
    assert done.returncode == 1
    seen = trace.read_text(errors="replace")
    assert "image.qcow2" in seen
    assert "secret-of-the-host" not in seen


# Findings are explained


@pytest.mark.parametrize("finding_id", finding_catalog())
def test_every_finding_is_explained(finding_id: str) -> None:
    entry = finding_catalog()[finding_id]
    for text in (entry.meaning, entry.seen, entry.remedy, entry.source):
        assert len(text) > 5
    assert f"### {finding_id}\n" in findings_page()


def test_explain_prints_all_parts() -> None:
    shown = harness("explain", "qcow2.backing-file").stdout
    for part in ("error", "seen", "remedy", "qemu-img convert", "source", "CVE-2015-5163"):
        assert part in shown
    every = harness("explain").stdout
    assert all(finding_id in every for finding_id in finding_catalog())


def test_the_page_of_findings_is_what_the_catalog_makes() -> None:
    page = (ROOT / "docs" / "findings.md").read_text(encoding="utf-8")
    assert page == findings_page(), "run: harness explain --markdown > docs/findings.md"


def test_something_produces_every_finding() -> None:
    sources = [*(ROOT / "harness").rglob("*.py"), ROOT / "harness/diagnose/rules.toml"]
    text = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    for finding_id in finding_catalog():
        assert f'"{finding_id}"' in text or finding_id in _BY_KIND, finding_id


# Put together from "url." and the kind of a LinkError.
_BY_KIND = {"url.unreachable", "url.not-direct", "url.tls", "url.no-checksum"}


def test_a_host_without_a_network_is_not_the_links_fault(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a network namespace needs root")
    words = ["unshare", "--net", HARNESS, "check", "--json", "http://192.0.2.1/x.iso"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "cannot be reached from this host" in done.stderr
    result = json.loads(done.stdout)
    assert (result["outcome"], result["cause"]) == ("error", "host.no-network")


def test_module_beside_an_image_is_not_imported(tmp_path: Path) -> None:
    """An image comes in a folder of a stranger, and that is where a person may stand."""
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "8M"], check=True)
    for name in ("json.py", "harness.py", "pydantic.py", "sitecustomize.py"):
        (tmp_path / name).write_text("open('imported', 'w').close()\nraise SystemExit(7)\n")
    words = [HARNESS, "check", image.name, "--json"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    result = json.loads(done.stdout)
    assert result["cause"] == "disk.empty"
    assert not (tmp_path / "imported").exists()

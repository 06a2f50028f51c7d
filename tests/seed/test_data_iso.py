import subprocess
from pathlib import Path

from harness.seed.data_iso import write_data_iso


def test_the_iso_holds_the_given_files_under_their_names(tmp_path: Path) -> None:
    files = {"Autounattend.xml": b"<unattend/>", "user-data": b"#cloud-config\n", "empty": b""}
    iso = tmp_path / "answers.iso"
    write_data_iso("HARNESS", files, iso)
    for names in ("any", "norock"):  # Rock Ridge, and Joliet in its place
        out = tmp_path / names
        read = ["xorriso", "-read_fs", names, "-osirrox", "on", "-indev", iso]
        subprocess.run([*read, "-extract", "/", out], capture_output=True, check=True)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == files


def test_the_iso_has_the_given_label(tmp_path: Path) -> None:
    iso = tmp_path / "answers.iso"
    write_data_iso("OEMDRV", {"ks.cfg": b"text\n"}, iso)
    listing = subprocess.run(["isoinfo", "-d", "-i", iso], capture_output=True, text=True).stdout
    assert "Volume id: OEMDRV" in listing
    assert "Joliet" in listing
    assert "Rock Ridge" in listing

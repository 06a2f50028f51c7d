from pathlib import Path

from images.archive import _pool, debs_key
from images.recipe import DebianArchive, DebianInstaller, load_recipe


def recipes() -> tuple[DebianArchive, DebianInstaller]:
    archive = load_recipe("debian-13-archive")
    assert isinstance(archive, DebianArchive)
    base = load_recipe(archive.base)
    assert isinstance(base, DebianInstaller)
    return archive, base


def test_a_path_in_the_archive_has_no_epoch() -> None:
    file = Path("/var/cache/apt/archives/mount_1%3a2.41.5-0+deb13u1_amd64.deb")
    assert _pool(file) == "pool/main/mount/mount_2.41.5-0+deb13u1_amd64.deb"
    assert _pool(Path("zstd_1.5.7_amd64.deb")) == "pool/main/zstd/zstd_1.5.7_amd64.deb"


def test_iso_only_packages_are_in_the_iso_recipe() -> None:
    archive, base = recipes()
    names = {path.rpartition("/")[2].partition("_")[0] for path in base.udebs}
    assert set(archive.without_udebs) <= names | set(base.modules)
    assert not archive.udebs.keys() & base.udebs.keys()


def test_downloads_are_cached_by_package_list() -> None:
    archive, base = recipes()
    same = archive.model_copy(update={"description": "another", "without_udebs": []})
    other = archive.model_copy(update={"packages": ["apt"]})
    assert debs_key(same, base) == debs_key(archive, base)
    assert debs_key(other, base) != debs_key(archive, base)

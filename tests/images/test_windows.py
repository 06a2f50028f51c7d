import subprocess
from pathlib import Path

from regipy.registry import RegistryHive

from images.windows import empty_hive


def test_an_empty_hive_is_one_that_other_tools_fill_and_read(tmp_path: Path) -> None:
    hive = tmp_path / "SYSTEM"
    hive.write_bytes(empty_hive())
    keys = '[\\Select]\n"Current"=dword:00000001\n'
    subprocess.run(["hivexregedit", "--merge", hive], input=keys, text=True, check=True)
    assert RegistryHive(str(hive)).get_key("\\Select").get_value("Current") == 1

"""Paths in an image: links stay inside it, volumes are mounted, patterns are bounded."""

from __future__ import annotations

import pytest

from harness.image.fs.tree import Tree
from tests.image.trees import Link, node_of, tree_of

FILES: dict[str, str | Link] = {
    "/etc/os-release": Link("../usr/lib/os-release"),
    "/usr/lib/os-release": "debian",
    "/bin": Link("usr/bin"),
    "/usr/bin/sh": Link("/usr/bin/dash"),
    "/usr/bin/dash": "dash",
    "/outside": Link("../../../../etc/os-release"),
    "/loop": Link("loop"),
    "/a": Link("b"),
    "/b": Link("a"),
    "/gone": Link("nowhere"),
    "/boot/vmlinuz-2": "",
    "/boot/vmlinuz-1": "",
    "/boot/grub/grub.cfg": "",
}


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/etc/os-release", "/usr/lib/os-release"),
        ("/bin/sh", "/usr/bin/dash"),
        ("/bin/../lib/./os-release", "/usr/lib/os-release"),
        ("/bin/../etc/os-release", None),
        ("/../../usr/bin/dash", "/usr/bin/dash"),
        ("/outside", "/usr/lib/os-release"),
        ("/", "/"),
        ("/loop", None),
        ("/a", None),
        ("/gone", None),
        ("/usr/bin/dash/x", None),
        ("/nothing/at/all", None),
    ],
)
def test_links_are_followed_inside_the_image(path: str, real: str | None) -> None:
    tree = tree_of(FILES)
    assert tree.real_path(path) == real
    assert tree.exists(path) is (real is not None)


def test_a_missing_file_or_a_folder_has_no_content() -> None:
    tree = tree_of(FILES)
    assert tree.text("/etc/os-release") == "debian"
    assert tree.text("/etc/os-release", limit_bytes=3) == "deb"
    assert (tree.read("/usr"), tree.text("/usr"), tree.names("/bin/sh")) == (None, "", [])


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("/boot/vmlinuz-*", ["/boot/vmlinuz-1", "/boot/vmlinuz-2"]),
        ("/b*/*/grub.cfg", ["/boot/grub/grub.cfg"]),
        ("/usr/bin/dash", ["/usr/bin/dash"]),
        ("/boot/*/*/*", []),
        ("/gone*", []),
    ],
)
def test_patterns_match_existing_paths(pattern: str, found: list[str]) -> None:
    assert tree_of(FILES).match(pattern) == found


def test_the_matches_of_a_pattern_are_bounded() -> None:
    assert len(tree_of({f"/x/{number}": "" for number in range(2000)}).match("/x/*")) <= 512


def test_a_mounted_volume_hides_the_folder_below_it() -> None:
    tree = Tree(node_of({"/boot/old": "", "/etc/fstab": "x"}))
    tree.mount("/boot/", node_of({"/vmlinuz": "kernel", "/up": Link("../etc/fstab")}))
    assert tree.names("/boot") == ["up", "vmlinuz"]
    assert tree.text("/boot/vmlinuz") == "kernel"
    assert tree.text("/boot/up") == "x"

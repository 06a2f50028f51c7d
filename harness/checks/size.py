"""Checks of an image's size against the provider's limits."""

from __future__ import annotations

from harness.model.finding import Finding, finding
from harness.provider.profile import Profile


def check_size(
    file_size_bytes: int | None, virtual_size_bytes: int | None, profile: Profile
) -> list[Finding]:
    """Return the findings about the sizes of the file and its disk, None where not known."""
    findings = []
    limit, quota = profile.images.max_size_bytes, profile.images.quota_bytes
    file_bytes = file_size_bytes or 0
    largest = max(file_bytes, virtual_size_bytes or 0)
    if limit and largest > limit.value:
        what = "disk" if largest != file_size_bytes else "file"
        statement = (
            f"The {what} is {largest} bytes large; {profile.title} installs at most {limit.value}."
        )
        findings.append(finding("size.over-limit", statement, (limit.source,)))
    if quota and file_bytes > quota.value:
        statement = (
            f"The file of {file_size_bytes} bytes does not fit the {quota.value} bytes of image "
            f"storage that {profile.title} starts with."
        )
        findings.append(finding("size.over-quota", statement, (quota.source,)))
    return findings

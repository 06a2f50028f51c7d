"""The explanations of all findings, and their page of the documentation."""

from __future__ import annotations

import difflib

from harness.errors import UsageError
from harness.model.finding import Explanation, finding_catalog

PAGE_HEAD = """\
# Findings

What every finding means, how it is seen, what mends it, and where that is known from.
`harness explain ID` prints the same. This page is made by `harness explain --markdown` from
`harness/model/catalog.toml`.
"""


def find_explanation(finding_id: str) -> Explanation:
    """Return the explanation of ``finding_id``; raises UsageError that names similar ids."""
    found = finding_catalog().get(finding_id)
    if found is None:
        near = difflib.get_close_matches(finding_id, finding_catalog(), n=3, cutoff=0.5)
        hint = f"; did you mean {' or '.join(near)}?" if near else "; harness explain lists all."
        raise UsageError(f"{finding_id}: there is no such finding{hint}")
    return found


def ids_by_group() -> dict[str, list[str]]:
    """Return all ids by the word before their dot, in the order of the catalog."""
    grouped: dict[str, list[str]] = {}
    for finding_id in finding_catalog():
        grouped.setdefault(finding_id.split(".")[0], []).append(finding_id)
    return grouped


def findings_page() -> str:
    """Return the page docs/findings.md."""
    parts = [PAGE_HEAD]
    for group, ids in ids_by_group().items():
        parts.append(f"## {group}\n")
        parts += [_section(finding_id, finding_catalog()[finding_id]) for finding_id in ids]
    return "\n".join(parts)


def _section(finding_id: str, entry: Explanation) -> str:
    own = "".join(f"  - {tag}: `{remedy}`\n" for tag, remedy in entry.remedies.items())
    return (
        f"### {finding_id}\n\n*{entry.severity}*\n\n{entry.meaning}\n\n"
        f"- **Seen:** {entry.seen}\n- **Remedy:** {entry.remedy}\n{own}"
        f"- **Source:** {entry.source}\n"
    )

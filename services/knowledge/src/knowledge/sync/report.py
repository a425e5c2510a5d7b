"""What a sync did with each file, for its history. Pure."""

from collections.abc import Mapping
from typing import Any

from knowledge.content.files.records import FileState
from knowledge.sync.records import Plan

MOST_FILES = 200
"""Maximum files that one sync's history names; those that need attention come first."""

_ORDER = {"failed": 0, "unsupported": 1}


def report_of(plan: Plan, known: Mapping[str, FileState]) -> dict[str, Any]:
    """``{"files": [{path, change, outcome, reason}], "omitted": n}``: files that changed or have no content.

    ``change``: ``added``, ``modified``, ``removed`` or ``None``.
    """
    entries = [
        {"path": path, "change": change, "outcome": state.outcome, "reason": state.reason}
        for path, state in plan.files.items()
        if (change := _change(state, known.get(path))) or state.outcome in _ORDER
    ]
    entries += [
        {"path": path, "change": "removed", "outcome": "removed", "reason": None}
        for path in known
        if path not in plan.files
    ]
    entries.sort(key=lambda entry: (_ORDER.get(str(entry["outcome"]), 2), str(entry["path"])))
    return {"files": entries[:MOST_FILES], "omitted": max(0, len(entries) - MOST_FILES)}


def _change(state: FileState, before: FileState | None) -> str | None:
    if state.outcome == "failed":
        return None
    if before is None or (before.outcome == "failed" and not before.content_sha):
        return "added"
    same = (before.chunk_ids, before.content_sha) == (state.chunk_ids, state.content_sha)
    return None if same else "modified"

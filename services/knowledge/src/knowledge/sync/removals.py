"""Whether a sync would take most of a base away because its source has lost its files. Pure.

A volume that isn't mounted, an empty sitemap, one that lists another host: the source can be read, and is
wrong.
"""

from common.errors import PermanentError
from knowledge.content.files.records import FileState
from knowledge.content.indexes.records import Index
from knowledge.content.records import Stored
from knowledge.sync.records import Plan

FEWEST_FILES = 10
"""Smaller bases change by more than half in ordinary work."""


class RemovalUnconfirmed(PermanentError):
    """Most of the base would be removed, and the request doesn't say that this is wanted."""

    default_code = "removal_unconfirmed"


def check_removal(base_id: str, plan: Plan, stored: Stored, wanted: Index) -> None:
    """Raises :class:`RemovalUnconfirmed` if less than half of the chunks would remain because files vanished.

    Files count as vanished that aren't listed, or have lost all of their text, while definition and rules are
    the same. What other files lose doesn't count, nor what a new definition leaves out.
    """
    index, files = stored.index, stored.files
    if index is None or index.definition != wanted.definition or len(files) < FEWEST_FILES:
        return
    same_rules = index.fingerprint == wanted.fingerprint
    before = {chunk_id for state in files.values() for chunk_id in state.chunk_ids}
    after = plan.wanted()
    gone = [state for state in files.values() if _is_gone(state, plan, same_rules=same_rules)]
    lost = {chunk_id for state in gone for chunk_id in state.chunk_ids} - after
    new = {
        chunk_id for path, state in plan.files.items() if path not in files for chunk_id in state.chunk_ids
    }
    remaining = len(before) - len(lost) + len(new - before)
    if not lost or remaining * 2 >= len(before):
        return
    raise RemovalUnconfirmed(
        f"{len(gone)} of the base's {len(files)} files have vanished from its source; {remaining} of "
        f"{len(before)} chunks would remain. Nothing was changed. If the files are gone for good, request a "
        f"sync with confirmRemoval: true (POST /api/knowledge-bases/{base_id}/sync, "
        f"knowledge.sync.request.v1, or takaro kb sync {base_id} --confirm-removal). If not, restore the "
        "source; the next sync continues"
    )


def _is_gone(state: FileState, plan: Plan, *, same_rules: bool) -> bool:
    if not state.chunk_ids:
        return False
    now = plan.files.get(state.path)
    return now is None or (same_rules and now.outcome in ("empty", "unsupported"))

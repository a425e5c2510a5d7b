"""The facts about states. Use cases append them to the outbox."""

from typing import Any

from backbone.outbox import Fact
from chat.states.records import LockedState, StateEdit
from contracts import Contract
from contracts import chat as contracts


def state_changed(locked: LockedState, edit: StateEdit, patch: dict[str, Any] | None, place: int) -> Fact:
    """A state was changed by ``edit``: the new state, or only the ``patch`` from the one before, if given.

    The sequence is its ``place`` in the transaction, until :func:`chat.conversations.facts.number`.
    """
    data: Contract
    if patch is None:
        data = contracts.StateChanged(
            conversation_id=locked.conversation_id, state=locked.state, version=locked.version
        )
    else:
        data = contracts.LargeStateChanged(
            conversation_id=locked.conversation_id, version=locked.version, patch=patch
        )
    return Fact(contracts.FACTS_STREAM, str(locked.conversation_id), place, data, trace=edit.trace)

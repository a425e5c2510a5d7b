"""The facts about states. Use cases append them to the outbox."""

from typing import Any

from backbone.outbox import Fact
from chat.states.records import EditableState, StateEdit
from contracts import Contract
from contracts import chat as contracts


def state_changed(current: EditableState, edit: StateEdit, patch: dict[str, Any] | None, place: int) -> Fact:
    """A state was changed by ``edit``: the new state, or only the ``patch`` from the one before, if given.

    The sequence is its ``place`` among its conversation's in one statement, which numbers them.
    """
    data: Contract
    if patch is None:
        data = contracts.StateChanged(
            conversation_id=current.conversation_id, state=current.state, version=current.version
        )
    else:
        data = contracts.LargeStateChanged(
            conversation_id=current.conversation_id, version=current.version, patch=patch
        )
    return Fact(contracts.FACTS_STREAM, str(current.conversation_id), place, data, trace=edit.trace)

"""The fence around a turn: while it runs, only its runtime changes the state."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chat.states.records import EditableState, StateEdit
from chat.turns import repository
from chat.turns.rules import refusal
from common.errors import PermanentError
from common.postgres import Connection


async def refuse_others(
    connection: Connection, locked: Mapping[UUID, EditableState], edits: Sequence[StateEdit]
) -> dict[int, PermanentError]:
    """Why edits of these locked states may not be made, by position. A turn that wasn't renewed in time holds
    up nobody."""
    ids = [state.conversation_id for state in locked.values() if state.turn_sha256 is not None]
    held = await repository.list_held(connection, ids) if ids else {}
    errors: dict[int, PermanentError] = {}
    for place, edit in enumerate(edits):
        turn = held.get(edit.conversation_id)
        running = None if turn is None or turn.expired else turn
        if error := refusal(running, edit.turn_sha256):
            errors[place] = error
    return errors

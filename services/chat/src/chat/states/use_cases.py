"""Reading and changing states, over HTTP and from the stream."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from chat.conversations.rules import not_found
from chat.states import repository
from chat.states.conditions import check_condition, check_if_match
from chat.states.facts import state_changed
from chat.states.records import (
    EditableState,
    EditedState,
    Limits,
    NewVersion,
    State,
    StateEdit,
)
from chat.states.rules import apply_edit, patch_to_tell
from chat.states.turn_fence import refuse_others
from common.errors import Forbidden, PermanentError
from common.postgres import Connection, Pool, transaction, tried_again
from servicekit.conditions import Condition

if TYPE_CHECKING:
    from backbone.outbox import Fact

_NOTHING: Mapping[int, PermanentError] = {}
WRITTEN_AT_ONCE = 8_000_000
"""Bytes of states. A batch may hold many small patches of large states."""


async def get_state(pool: Pool, user_id: str, conversation_id: UUID, condition: Condition) -> State:
    """State and version of one of the user's conversations.

    Raises :class:`common.errors.NotFound`, :class:`Forbidden` for another user's conversation, and
    :class:`servicekit.conditions.PreconditionFailed` if ``If-Match`` doesn't allow the version.
    """
    async with pool.acquire() as connection:
        found = await repository.get_state(connection, conversation_id)
    if found is None:
        raise not_found()
    if found.user_id != user_id:
        raise Forbidden
    state = State(found.state, found.version)
    check_if_match(condition, state)
    return state


@tried_again
async def edit_state(pool: Pool, user_id: str, edit: StateEdit, limits: Limits) -> State:
    """Change a state within ``limits``, and return it.

    The edit is made from the state as it is read, without a lock, and written if it is still at that version:
    two round trips. If it isn't, or another's turn holds the conversation, the edit is made under the
    conversation's lock.

    Raises :class:`common.errors.Conflict` while another's turn holds the conversation,
    :class:`common.errors.NotFound`, :class:`Forbidden`, :class:`common.errors.TooLarge`, and
    :class:`servicekit.conditions.VersionConflict` if the edit's condition isn't fulfilled.
    """
    async with pool.acquire() as connection:
        read = await repository.get_state(connection, edit.conversation_id)
        states = {} if read is None else {read.conversation_id: read}
        outcomes = None
        if read is None or read.turn_sha256 == edit.turn_sha256:
            in_time = edit.turn_sha256 is not None
            outcomes = await _edit(connection, states, [edit], limits, user_id, in_time=in_time)
    if outcomes is None:
        async with transaction(pool) as connection:
            outcomes = await edit_states(connection, [edit], limits, owner=user_id)
    [outcome] = outcomes
    if isinstance(outcome, PermanentError):
        raise outcome
    return outcome


async def edit_states(
    connection: Connection, edits: Sequence[StateEdit], limits: Limits, *, owner: str | None = None
) -> list[State | PermanentError]:
    """Apply edits in order, each to the result of the one before, with a fact for each that changed anything.

    Returns for each the state after it, or an error: no such conversation, not ``owner``'s (if given),
    another's turn, a condition that isn't fulfilled, or too large.
    """
    locked = await repository.lock_states(connection, [e.conversation_id for e in edits])
    refused = await refuse_others(connection, locked, edits)
    outcomes = await _edit(connection, locked, edits, limits, owner, refused)
    assert outcomes is not None, "nobody else changes a locked state"
    return outcomes


async def _edit(
    connection: Connection,
    states: dict[UUID, EditableState],
    edits: Sequence[StateEdit],
    limits: Limits,
    owner: str | None,
    refused: Mapping[int, PermanentError] = _NOTHING,
    *,
    in_time: bool = False,
) -> list[State | PermanentError] | None:
    """Apply edits to ``states``, and write what they change. None if another writer was there before, or if
    the turn must hold the conversation ``in_time``, and doesn't."""
    outcomes: list[State | PermanentError] = []
    written = _Unwritten(in_time=in_time)
    for place, edit in enumerate(edits):
        try:
            current = _current(states, edit, owner, refused.get(place))
            before = current.state
            if apply_edit(current, edit, limits.state_bytes):
                written.add(current, edit, before, limits)
            outcomes.append(State(current.state, current.version, current.encoded))
        except PermanentError as error:
            outcomes.append(error)
        if written.bytes > WRITTEN_AT_ONCE and not await written.write(connection, limits):
            return None
    return outcomes if await written.write(connection, limits) else None


class _Unwritten:
    """What edits have changed and isn't written yet. ``bytes`` is the JSON that is held for it."""

    def __init__(self, *, in_time: bool) -> None:
        self._in_time = in_time
        self._edited: dict[UUID, EditedState] = {}
        self._facts: list[Fact] = []
        self.bytes = 0

    def add(self, current: EditableState, edit: StateEdit, before: dict[str, Any], limits: Limits) -> None:
        """Add what ``edit`` made of the state ``before``."""
        encoded = current.encoded
        assert encoded is not None, "an edit encodes what it makes"
        edited = self._edited.setdefault(edit.conversation_id, EditedState(current, current.version - 1))
        edited.add(NewVersion(current.version, encoded, edit.author), limits)
        self._facts.append(state_changed(current, edit, patch_to_tell(before, edit, encoded), edited.facts))
        self.bytes += len(encoded)

    async def write(self, connection: Connection, limits: Limits) -> bool:
        """Write the states, their versions and their facts. False if a state was changed meanwhile."""
        done = not self._edited or await repository.update_states(
            connection, list(self._edited.values()), self._facts, limits, in_time=self._in_time
        )
        self._edited, self._facts, self.bytes = {}, [], 0
        return done


def _current(
    states: dict[UUID, EditableState], edit: StateEdit, owner: str | None, refused: PermanentError | None
) -> EditableState:
    """The state that ``edit`` is about. Raises if it may not change it."""
    current = states.get(edit.conversation_id)
    if current is None:
        raise not_found()
    if owner is not None and current.user_id != owner:
        raise Forbidden
    if refused is not None:
        raise refused
    check_condition(edit.condition, State(current.state, current.version))
    return current

"""Reading and changing states, over HTTP and from the stream."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from backbone import outbox
from chat.conversations.facts import number
from chat.conversations.use_cases import not_found
from chat.states import repository
from chat.states.conditions import check_condition, check_if_match
from chat.states.facts import state_changed
from chat.states.records import (
    Condition,
    EditedState,
    Limits,
    LockedState,
    NewVersion,
    State,
    StateEdit,
)
from chat.states.rules import apply_edit, patch_to_tell
from common.errors import Forbidden, PermanentError
from common.postgres import Connection, Pool, transaction, tried_again

WRITTEN_AT_ONCE = 8_000_000
"""Bytes of states. A batch may hold many small patches of large states."""


async def get_state(pool: Pool, user_id: str, conversation_id: UUID, condition: Condition) -> State:
    """State and version of one of the user's conversations.

    Raises :class:`common.errors.NotFound`, :class:`Forbidden` for another user's conversation, and
    :class:`chat.states.conditions.PreconditionFailed` if ``If-Match`` doesn't allow the version.
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

    Raises :class:`common.errors.NotFound`, :class:`Forbidden`, :class:`common.errors.TooLarge`, and
    :class:`chat.states.conditions.VersionConflict` if the edit's condition isn't fulfilled.
    """
    async with transaction(pool) as connection:
        [outcome] = await edit_states(connection, [edit], limits, owner=user_id)
        if isinstance(outcome, PermanentError):
            raise outcome
        return outcome


async def edit_states(
    connection: Connection, edits: Sequence[StateEdit], limits: Limits, *, owner: str | None = None
) -> list[State | PermanentError]:
    """Apply edits in order, each to the result of the one before, with a fact for each that changed anything.

    Returns for each the state after it, or an error: no such conversation, not ``owner``'s (if given), a
    condition that isn't fulfilled, or too large.
    """
    locked = await repository.lock_states(connection, [e.conversation_id for e in edits])
    outcomes: list[State | PermanentError] = []
    written = _Unwritten()
    for edit in edits:
        try:
            current = _current(locked, edit, owner)
            before = current.state
            if apply_edit(current, edit, limits.state_bytes):
                written.add(current, edit, before, limits)
            outcomes.append(State(current.state, current.version, current.encoded))
        except PermanentError as error:
            outcomes.append(error)
        if written.bytes > WRITTEN_AT_ONCE:
            await written.write(connection, limits)
    await written.write(connection, limits)
    return outcomes


class _Unwritten:
    """What edits have changed and isn't written yet. ``bytes`` is the JSON that is held for it."""

    def __init__(self) -> None:
        self._edited: dict[UUID, EditedState] = {}
        self._facts: list[outbox.Fact] = []
        self.bytes = 0

    def add(self, current: LockedState, edit: StateEdit, before: dict[str, Any], limits: Limits) -> None:
        """Add what ``edit`` made of the state ``before``."""
        encoded = current.encoded
        assert encoded is not None, "an edit encodes what it makes"
        edited = self._edited.setdefault(edit.conversation_id, EditedState(edit.conversation_id))
        edited.add(NewVersion(current.version, encoded, edit.author), limits)
        self._facts.append(state_changed(current, edit, patch_to_tell(before, edit, encoded), edited.facts))
        self.bytes += len(encoded)

    async def write(self, connection: Connection, limits: Limits) -> None:
        """Write the states, their versions and their facts."""
        if self._edited:
            number(
                self._facts, await repository.update_states(connection, list(self._edited.values()), limits)
            )
            await outbox.append(connection, self._facts)
        self._edited, self._facts, self.bytes = {}, [], 0


def _current(locked: dict[UUID, LockedState], edit: StateEdit, owner: str | None) -> LockedState:
    """The state that ``edit`` is about. Raises if it may not change it."""
    current = locked.get(edit.conversation_id)
    if current is None:
        raise not_found()
    if owner is not None and current.user_id != owner:
        raise Forbidden
    check_condition(edit.condition, State(current.state, current.version))
    return current

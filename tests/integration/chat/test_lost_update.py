"""A lost update, with the mechanisms and without: patches that read the same state."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chat.conversations.use_cases import delete_conversation
from chat.states import repository
from chat.states.records import Author, EditableState, Limits, State, StateEdit
from chat.states.use_cases import edit_state, edit_states, get_state
from common.errors import Forbidden
from common.postgres import Connection, Pool, transaction
from servicekit.conditions import ANY_VERSION
from tests.integration.chat.conftest import NewConversation
from tests.support.wait import eventually

ALICE, LIMITS = Author(user_id="alice"), Limits(1_000, 10, 10_000)
UNLOCKED = repository.LOCK_STATES.replace("FOR NO KEY UPDATE", "")
ANY_STATE = repository.UPDATE_STATES.replace("c.state_version = s.before", "true")


async def edit_locked(pool: Pool, edit: StateEdit) -> State:
    """An edit as the stream's consumer makes it."""
    async with transaction(pool) as connection:
        [outcome] = await edit_states(connection, [edit], LIMITS)
    assert isinstance(outcome, State)
    return outcome


@pytest.mark.parametrize("checked", [True, False], ids=["version checked", "without the check"])
async def test_two_patches_of_one_version_both_survive_by_its_check(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    id, readers, both = await conversation(), 0, asyncio.Event()
    read = repository.get_state

    async def read_and_meet(connection: Connection, id: UUID) -> EditableState | None:
        nonlocal readers
        found = await read(connection, id)
        readers += 1
        if readers == 2:
            both.set()
        await both.wait()
        return found

    if not checked:
        monkeypatch.setattr(repository, "UPDATE_STATES", ANY_STATE)
    with monkeypatch.context() as meeting:
        meeting.setattr(repository, "get_state", read_and_meet)
        outcomes = await asyncio.gather(
            edit_state(pool, "alice", StateEdit(id, {"a": 1}, ALICE), LIMITS),
            edit_state(pool, "alice", StateEdit(id, {"b": 2}, ALICE), LIMITS),
            return_exceptions=True,
        )
    after = await get_state(pool, "alice", id, ANY_VERSION)
    if checked:
        assert after == State({"a": 1, "b": 2}, 2)
        assert sorted(each.version for each in outcomes if isinstance(each, State)) == [1, 2]
    else:
        assert len(after.state) == 1, "without the check one patch is lost"


async def test_an_edit_doesnt_reach_another_conversation_of_the_same_id(
    pool: Pool, conversation: NewConversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await conversation()
    read = repository.get_state

    async def read_what_is_replaced(connection: Connection, id: UUID) -> EditableState | None:
        found = await read(connection, id)
        await delete_conversation(pool, "alice", id)
        await pool.execute(
            "INSERT INTO conversations (id, agent_id, agent_version, user_id) "
            "VALUES ($1, 'a', '1', 'mallory')",
            id,
        )
        return found

    monkeypatch.setattr(repository, "get_state", read_what_is_replaced)
    with pytest.raises(Forbidden):
        await edit_state(pool, "alice", StateEdit(id, {"a": 1}, ALICE), LIMITS)
    assert await pool.fetchval("SELECT state_version FROM conversations WHERE id = $1", id) == 0


@pytest.mark.parametrize(
    ("statement", "kept"),
    [(repository.LOCK_STATES, {"a": 1, "b": 2}), (UNLOCKED, None)],
    ids=["locked", "without the lock"],
)
async def test_two_patches_that_meet_both_survive_by_the_row_lock(
    pool: Pool,
    conversation: NewConversation,
    monkeypatch: pytest.MonkeyPatch,
    statement: str,
    kept: dict[str, Any] | None,
) -> None:
    id, readers = await conversation(), 0
    lock = repository.lock_states

    async def read_and_meet(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, EditableState]:
        """Continue once the other has read too, or waits for the lock."""
        nonlocal readers
        locked = await lock(connection, ids)
        readers += 1

        async def met() -> bool:
            waiting = await pool.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")
            return readers == 2 or waiting > 0

        await eventually(met)
        return locked

    monkeypatch.setattr(repository, "LOCK_STATES", statement)
    monkeypatch.setattr(repository, "lock_states", read_and_meet)
    if kept is None:
        monkeypatch.setattr(repository, "UPDATE_STATES", ANY_STATE)
    outcomes = await asyncio.gather(
        edit_locked(pool, StateEdit(id, {"a": 1}, ALICE)),
        edit_locked(pool, StateEdit(id, {"b": 2}, ALICE)),
        return_exceptions=kept is None,
    )
    after = await get_state(pool, "alice", id, ANY_VERSION)
    if kept is None:
        assert len(after.state) == 1, "without the lock one patch is lost: the lock is what keeps both"
        assert [type(each) for each in outcomes if not isinstance(each, State)] == [
            asyncpg.UniqueViolationError  # two versions of one number: the history would refuse the loser
        ]
    else:
        assert after == State(kept, 2)

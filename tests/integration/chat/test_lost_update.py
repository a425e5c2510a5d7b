"""A lost update, with the mechanism and without: two patches that read the same state."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from chat.states import repository
from chat.states.records import ANY_VERSION, Author, Limits, LockedState, State, StateEdit
from chat.states.use_cases import edit_state, get_state
from common.postgres import Connection, Pool
from tests.integration.chat.conftest import NewConversation
from tests.support.wait import eventually

ALICE, LIMITS = Author(user_id="alice"), Limits(1_000, 10, 10_000)
UNLOCKED = repository.LOCK_STATES.replace("FOR NO KEY UPDATE", "")


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

    async def read_and_meet(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, LockedState]:
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
    outcomes = await asyncio.gather(
        edit_state(pool, "alice", StateEdit(id, {"a": 1}, ALICE), LIMITS),
        edit_state(pool, "alice", StateEdit(id, {"b": 2}, ALICE), LIMITS),
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

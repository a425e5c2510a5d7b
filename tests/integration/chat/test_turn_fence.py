"""Who waits for a conversation while a runtime takes its turn finds the turn when the wait is over."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest

from chat.conversations.use_cases import lock_conversations
from chat.messages.records import NewMessage
from chat.messages.use_cases import append_messages
from chat.states.records import Author, Limits, StateEdit
from chat.states.use_cases import edit_state
from chat.turns import repository
from chat.turns.records import Taking
from common.errors import Conflict
from common.postgres import Pool, transaction
from tests.integration.chat.conftest import NewConversation
from tests.support import without
from tests.support.wait import eventually

WAITING = """
SELECT count(*) FROM pg_locks
WHERE NOT granted AND pid IN (SELECT pid FROM pg_stat_activity WHERE datname = current_database())
"""


async def append(pool: Pool, conversation_id: UUID) -> None:
    """Append an assistant's message; an error is raised."""
    async with transaction(pool) as connection:
        message = NewMessage(uuid4(), conversation_id, "assistant", "late")
        [outcome] = await append_messages(connection, [message])
        if isinstance(outcome, Exception):
            raise outcome


async def patch_state(pool: Pool, conversation_id: UUID) -> None:
    """Change the state; an error is raised."""
    edit = StateEdit(conversation_id, {"late": True}, Author())
    await edit_state(pool, "alice", edit, Limits(1_000_000, 10, 1_000_000))


@pytest.mark.parametrize("fenced", [True, False])
@pytest.mark.parametrize("write", [append, patch_state])
async def test_what_waited_while_a_turn_was_taken_is_refused(
    pool: Pool,
    conversation: NewConversation,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Pool, UUID], Awaitable[None]],
    fenced: bool,
) -> None:
    if not fenced:
        without.fence_of_turns(monkeypatch)
    conversation_id = await conversation()
    async with transaction(pool) as taker:
        await lock_conversations(taker, [conversation_id], deletes=False)
        waiting = asyncio.ensure_future(write(pool, conversation_id))

        async def look() -> bool:
            return bool(await pool.fetchval(WAITING))

        await eventually(look)
        await repository.hold_conversation(taker, conversation_id, "the digest")
        await repository.start_turn(taker, conversation_id, uuid4(), 0, Taking("runtime", "the digest", 30))
    [outcome] = await asyncio.gather(waiting, return_exceptions=True)
    assert (getattr(outcome, "code", None) == "turn_running") is fenced
    assert isinstance(outcome, Conflict) is fenced

"""Starting conversations over HTTP: those of different callers are committed together."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TypeAlias
from uuid import uuid4

from chat.agents.rules import Catalogue, parse
from chat.announcements.resolving import list_announced_in, resolve_agent
from chat.announcements.served import ServedAgents
from chat.conversations import repository
from chat.conversations.records import Conversation, NewConversation
from chat.conversations.use_cases import create_conversations
from common import trace_context
from common.errors import PermanentError
from common.group_commit import GroupCommit
from common.postgres import Pool, transaction, tried_again

Starts: TypeAlias = GroupCommit[NewConversation, datetime]


def create_starts() -> Starts:
    """New conversations over HTTP, committed together."""
    return GroupCommit("create conversations", _start_alone)


@tried_again
async def _start_alone(pool: Pool, conversations: Sequence[NewConversation]) -> list[datetime]:
    async with pool.acquire() as connection:
        return await repository.start_conversations(connection, conversations)


async def create_conversation(
    pool: Pool,
    catalogue: Catalogue,
    served: ServedAgents,
    user_id: str,
    agent: str,
    version: str | None,
    *,
    starts: Starts | None = None,
) -> Conversation:
    """Start a conversation; together with others of ``starts``. Raises :class:`common.errors.Invalid` for an
    agent that the user can't have."""
    ref = await resolve_agent(catalogue, served, agent, version, partial(list_announced_in, pool))
    new = NewConversation(uuid4(), ref.agent_id, ref.version, user_id, trace=trace_context.current())
    if parse(new.agent_id).custom_id is None:
        at = await (starts or create_starts())(pool, new)
    else:
        at = await _create_with_custom_agent(pool, new)
    assert new.agent_version is not None, "it was created"
    return Conversation(
        id=new.id,
        agent_id=new.agent_id,
        agent_version=new.agent_version,
        user_id=user_id,
        title=None,
        provider=new.provider,
        metadata="{}",
        state="{}",
        created_at=at,
        updated_at=at,
    )


@tried_again
async def _create_with_custom_agent(pool: Pool, new: NewConversation) -> datetime:
    async with transaction(pool) as connection:
        [outcome] = await create_conversations(connection, [new], new_ids=True)
        if isinstance(outcome, PermanentError):
            raise outcome
        return outcome

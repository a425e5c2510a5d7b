"""Erases what chat stores of a user, a bounded number of rows in each transaction."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from backbone import erasures, outbox
from backbone.entry_store import EntryStore
from backbone.erased_ids import digest_of_user
from backbone.erasing import Erased, ServiceErasing, erase_answers
from backbone.names import QUOTAS_CHANNEL
from backbone.sweeping import Sweep, uuids_of
from backbone.user_data import delete_rows
from chat.conversations.use_cases import delete_conversations, lock_conversations
from chat.custom_agents.facts import deleted
from chat.custom_agents.repository import delete_agent
from chat.erasing import repository
from chat.erasing.rules import TABLES
from chat.retention.rules import CONVERSATIONS_AT_ONCE, parts
from common.errors import Forbidden, NotFound
from common.notifications import notify
from common.postgres import Connection, Pool, transaction, tried_again
from contracts.chat import COMMANDS_STREAM, FACTS_STREAM, TURNS_STREAM, UserErased

ROWS_AT_ONCE = 1_000


def create_erasing() -> ServiceErasing:
    """What chat does to erase a user."""
    return ServiceErasing(
        "chat",
        [
            erase_conversations,
            erase_agents,
            erase_rows,
            forget_setter,
            partial(erase_answers, service="chat"),
        ],
        FACTS_STREAM,
        UserErased,
    )


def create_sweep(entries: EntryStore) -> Sweep:
    """What chat does to erase entries of a user."""
    return Sweep("chat", entries, [COMMANDS_STREAM, TURNS_STREAM], FACTS_STREAM, list_existing)


async def list_existing(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Which of these are conversations or custom agents."""
    return {str(each) for each in await repository.list_existing(connection, uuids_of(subjects))}


@tried_again
async def request_erasure(pool: Pool, user_id: str) -> UUID:
    """Request that all services erase a user. Returns the erasure's id."""
    async with transaction(pool) as connection:
        return await erasures.request(connection, user_id)


async def list_receipts(
    pool: Pool, erasure_id: UUID, user_id: str, *, everybodys: bool
) -> Sequence[erasures.Receipt]:
    """The receipts of an erasure, one for each service.

    Raises :class:`NotFound`, and :class:`Forbidden` for another user's unless ``everybodys`` may be read.
    """
    async with pool.acquire() as connection:
        receipts = await erasures.list_receipts(connection, erasure_id)
    if not receipts:
        raise NotFound("Erasure not found", code="erasure_not_found")
    if not everybodys and receipts[0].user_sha256 != digest_of_user(user_id):
        raise Forbidden
    return receipts


async def erase_conversations(connection: Connection, user_id: str) -> Erased:
    """Delete some conversations, with their messages and facts."""
    found = await repository.list_conversations(connection, user_id, CONVERSATIONS_AT_ONCE)
    doomed = next(parts(found), [])
    if not doomed:
        return Erased({})
    await lock_conversations(connection, doomed, deletes=True)
    messages = await repository.count_messages(connection, doomed)
    outcomes = await delete_conversations(connection, [(each, None) for each in doomed])
    gone = [str(each) for each, error in zip(doomed, outcomes, strict=True) if error is None]
    return Erased({"conversations": len(gone), "messages": messages}, gone)


async def erase_agents(connection: Connection, user_id: str) -> Erased:
    """Delete some custom agents, with their facts."""
    agents = await repository.lock_agents(connection, user_id, CONVERSATIONS_AT_ONCE)
    for agent_id in agents:
        last = await delete_agent(connection, agent_id)
        assert last is not None, "its row is locked"
        await outbox.append(connection, [deleted(agent_id, user_id, *last)])
    return Erased({"custom_agents": len(agents)} if agents else {}, [str(each) for each in agents])


async def erase_rows(connection: Connection, user_id: str) -> Erased:
    """Delete some rows of the tables that nothing refers to."""
    counts = await delete_rows(connection, TABLES, user_id, ROWS_AT_ONCE)
    if "chat_quotas" in counts:
        await notify(connection, QUOTAS_CHANNEL)
    return Erased(counts)


async def forget_setter(connection: Connection, user_id: str) -> Erased:
    """Forget that the user, an operator, set others' quotas."""
    quotas = await repository.forget_setter(connection, user_id)
    return Erased({"chat_quotas": quotas} if quotas else {})

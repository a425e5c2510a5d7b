"""Erases what chat stores of a user, a bounded number of rows in each transaction."""

from collections.abc import Sequence
from functools import partial

from backbone import outbox
from backbone.entry_store import EntryStore
from backbone.erasing import Erased, ServiceErasing, erase_answers
from backbone.names import QUOTAS_CHANNEL
from backbone.sweeping import Sweep, uuids_of
from backbone.user_data import delete_rows
from chat.conversations.use_cases import delete_conversations, lock_conversations
from chat.custom_agents.facts import deleted
from chat.custom_agents.repository import delete_agent
from chat.erasing import repository
from chat.erasing.facts import erased
from chat.erasing.rules import TABLES
from chat.retention.rules import CONVERSATIONS_AT_ONCE, parts
from common.notifications import notify
from common.postgres import Connection
from contracts.chat import COMMANDS_STREAM, FACTS_STREAM

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
        erased,
    )


def create_sweep(entries: EntryStore) -> Sweep:
    """What chat does to erase entries of a user."""
    return Sweep("chat", entries, COMMANDS_STREAM, FACTS_STREAM, list_existing)


async def list_existing(connection: Connection, subjects: Sequence[str]) -> set[str]:
    """Which of these are conversations or custom agents."""
    return {str(each) for each in await repository.list_existing(connection, uuids_of(subjects))}


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

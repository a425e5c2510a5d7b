"""SQL of conversations. Each function runs its one statement on the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from backbone import outbox
from chat.conversations.facts import started
from chat.conversations.records import (
    AgentOfConversation,
    Conversation,
    DeletedConversation,
    NewConversation,
)
from common import codec
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, ConversationCreated

_COLUMNS = """id, agent_id, agent_version, user_id, title, provider, metadata::text AS metadata,
       state::text AS state, created_at, updated_at"""

GET_CONVERSATION = f"SELECT {_COLUMNS} FROM conversations WHERE id = $1"  # noqa: S608 -- a constant


async def get_conversation(connection: Connection, conversation_id: UUID) -> Conversation | None:
    """A conversation of any owner."""
    row = await connection.fetchrow(GET_CONVERSATION, conversation_id)
    return Conversation(*row) if row else None


GET_OWNER = "SELECT user_id FROM conversations WHERE id = $1"


async def get_owner(connection: Connection, conversation_id: UUID) -> tuple[str | None] | None:
    """The owner of a conversation in a tuple; the owner of a legacy one may be None. None if there is no
    conversation."""
    row = await connection.fetchrow(GET_OWNER, conversation_id)
    return (row["user_id"],) if row else None


GET_AGENT = "SELECT agent_id, agent_version, user_id FROM conversations WHERE id = $1"


async def get_agent(connection: Connection, conversation_id: UUID) -> AgentOfConversation | None:
    """The agent and the owner of a conversation."""
    row = await connection.fetchrow(GET_AGENT, conversation_id)
    return AgentOfConversation(*row) if row else None


# Says that a custom agent's version is the one that is meant. For others, a trigger names the newest.
INSERT_CONVERSATIONS = """
INSERT INTO conversations (id, agent_id, agent_version, user_id, title, provider, metadata, state,
                           created_at, updated_at, event_sequence)
SELECT id, agent_id, agent_version, user_id, title, provider, metadata::jsonb, state::jsonb, at, at, 1
FROM (
    SELECT *, clock_timestamp() AS at
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[]) AS t(id, agent_id, agent_version, user_id, title, provider, metadata, state)
) AS new
WHERE (SELECT set_config('takaro.agent_version', 'named', true)) = 'named'
ORDER BY id
ON CONFLICT (id) DO NOTHING
RETURNING id, created_at
"""


async def insert_conversations(
    connection: Connection, conversations: Sequence[NewConversation]
) -> dict[UUID, datetime]:
    """Insert those whose id is free, with their first event counted. Returns creation times by id."""
    rows = await connection.fetch(
        INSERT_CONVERSATIONS,
        [c.id for c in conversations],
        [c.agent_id for c in conversations],
        [c.agent_version for c in conversations],
        [c.user_id for c in conversations],
        [c.title for c in conversations],
        [c.provider for c in conversations],
        [codec.dumps_str(c.metadata) for c in conversations],
        [codec.dumps_str(c.state) for c in conversations],
    )
    return {row["id"]: row["created_at"] for row in rows}


# For ids that were never used: the first fact of each is number 1, and is recorded by the same statement.
# Arrays in subqueries, as in INSERT_FEW_MESSAGES, so that the plan is kept.
START_CONVERSATIONS = f"""
WITH new AS MATERIALIZED (
    SELECT *, clock_timestamp() AS at
    FROM unnest(
        (SELECT $1::uuid[]), (SELECT $2::text[]), (SELECT $3::text[]), (SELECT $4::text[]),
        (SELECT $5::text[]), (SELECT $6::text[]), (SELECT $7::text[]), (SELECT $8::text[]),
        (SELECT $9::text[])
    ) WITH ORDINALITY
         AS t(id, agent_id, agent_version, user_id, provider, fact, traceparent, tracestate, baggage, place)
), inserted AS (
    INSERT INTO conversations (id, agent_id, agent_version, user_id, provider, metadata, state, created_at,
                               updated_at, event_sequence)
    SELECT id, agent_id, agent_version, user_id, provider, '{{}}', '{{}}', at, at, 1 FROM new
), facts AS (
    SELECT place, id::text AS subject, 1 AS sequence, traceparent, tracestate, baggage,
           fact || ',"createdAt":"' || {SQL_TIME.format("at")} || '"}}' AS data
    FROM new
), told AS ({outbox.insert_from("facts", FACTS_STREAM, ConversationCreated.type)})
SELECT at, {outbox.wake(FACTS_STREAM)} FROM new ORDER BY place
"""  # noqa: S608 -- only names of ours


async def start_conversations(
    connection: Connection, conversations: Sequence[NewConversation]
) -> list[datetime]:
    """Insert empty conversations with new ids, and their first facts. Returns when each was created."""
    traces = [c.trace for c in conversations]
    rows = await connection.fetch(
        START_CONVERSATIONS,
        [c.id for c in conversations],
        [c.agent_id for c in conversations],
        [c.agent_version for c in conversations],
        [c.user_id for c in conversations],
        [c.provider for c in conversations],
        [started(c) for c in conversations],
        [trace.traceparent if trace else None for trace in traces],
        [trace.tracestate if trace else None for trace in traces],
        [trace.baggage if trace else None for trace in traces],
    )
    return [row[0] for row in rows]


UPDATE_SEQUENCES = """
UPDATE conversations AS c
SET event_sequence = s.sequence
FROM unnest($1::uuid[], $2::bigint[]) AS s(id, sequence)
WHERE c.id = s.id
"""


async def update_sequences(connection: Connection, sequences: Mapping[UUID, int]) -> None:
    """Store the sequence of the last fact about each of these new conversations."""
    await connection.execute(UPDATE_SEQUENCES, list(sequences), list(sequences.values()))


LOCK_FOR_DELETION = "SELECT id FROM conversations WHERE id = ANY($1::uuid[]) ORDER BY id FOR UPDATE"


async def lock_for_deletion(connection: Connection, ids: Sequence[UUID]) -> None:
    """Lock conversations as their deletion does, in the order of their ids."""
    await connection.execute(LOCK_FOR_DELETION, ids)


LOCK_FOR_CHANGE = "SELECT id FROM conversations WHERE id = ANY($1::uuid[]) ORDER BY id FOR NO KEY UPDATE"


async def lock_for_change(connection: Connection, ids: Sequence[UUID]) -> set[UUID]:
    """Lock conversations as a change does, in the order of their ids. Returns those that exist."""
    return {row["id"] for row in await connection.fetch(LOCK_FOR_CHANGE, ids)}


COUNT_FACT = """
UPDATE conversations SET event_sequence = event_sequence + 1 WHERE id = $1
RETURNING event_sequence, clock_timestamp()
"""


async def count_fact(connection: Connection, conversation_id: UUID) -> tuple[int, datetime]:
    """The sequence of one more fact about a locked conversation, and the time."""
    row = await connection.fetchrow(COUNT_FACT, conversation_id)
    assert row is not None, "it is locked"
    return row[0], row[1]


UPDATE_TITLES = """
UPDATE conversations AS c
SET title = u.title, event_sequence = c.event_sequence + u.facts, updated_at = clock_timestamp()
FROM unnest($1::uuid[], $2::text[], $3::bigint[]) AS u(id, title, facts)
WHERE c.id = u.id
RETURNING c.id, c.event_sequence - u.facts AS sequence
"""


async def update_titles(
    connection: Connection, titles: Sequence[tuple[UUID, str | None, int]]
) -> dict[UUID, int]:
    """Title locked conversations: (id, title, count of facts). Returns the sequence before the first fact, by
    id."""
    ids, names, facts = zip(*titles, strict=True)
    rows = await connection.fetch(UPDATE_TITLES, ids, names, facts)
    return {row["id"]: row["sequence"] for row in rows}


LOCK_AGENT = "SELECT agent_id, agent_version, user_id FROM conversations WHERE id = $1 FOR NO KEY UPDATE"


async def lock_agent(connection: Connection, conversation_id: UUID) -> AgentOfConversation | None:
    """As :func:`get_agent`, of a conversation that is locked as a change does."""
    row = await connection.fetchrow(LOCK_AGENT, conversation_id)
    return AgentOfConversation(*row) if row else None


UPDATE_AGENT_VERSION = """
UPDATE conversations
SET agent_version = $2, event_sequence = event_sequence + 1, updated_at = clock_timestamp()
WHERE id = $1
RETURNING event_sequence
"""


async def update_agent_version(connection: Connection, conversation_id: UUID, version: str) -> int:
    """Let a locked conversation go on with this version. Returns the sequence of the fact about it."""
    sequence: int = await connection.fetchval(UPDATE_AGENT_VERSION, conversation_id, version)
    return sequence


# OFFSET 0 makes Postgres find the conversations' messages first, instead of walking the primary key of all
# messages.
LIST_MESSAGE_IDS = """
SELECT id
FROM (SELECT id FROM messages WHERE conversation_id = ANY($1::uuid[]) OFFSET 0) AS doomed
WHERE id > $2
ORDER BY id
LIMIT $3
"""


async def list_message_ids(
    connection: Connection, ids: Sequence[UUID], after: UUID, limit: int
) -> list[UUID]:
    """The ids of the messages that are deleted with these conversations: the first ``limit`` after
    ``after``."""
    return [row["id"] for row in await connection.fetch(LIST_MESSAGE_IDS, ids, after, limit)]


DELETE_CONVERSATIONS = """
DELETE FROM conversations WHERE id = ANY($1::uuid[]) RETURNING id, user_id, event_sequence + 1 AS sequence
"""


async def delete_conversations(
    connection: Connection, ids: Sequence[UUID]
) -> dict[UUID, DeletedConversation]:
    """Delete locked conversations with their messages and cockpit sessions. Returns those that existed, by
    id."""
    rows = await connection.fetch(DELETE_CONVERSATIONS, ids)
    return {row["id"]: DeletedConversation(*row) for row in rows}

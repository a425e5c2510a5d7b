"""SQL of turns that users' messages ask for. Each function runs its one statement on the caller's
transaction, which holds the locks of the conversations."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from chat.turns.records import Turn
from chat.turns.repository import COLUMNS, TELL_NEWS
from common.postgres import Connection

LIST_AGENTS = "SELECT id, agent_id, agent_version FROM conversations WHERE id = ANY($1::uuid[])"


async def list_agents(
    connection: Connection, conversation_ids: Sequence[UUID]
) -> dict[UUID, tuple[str, str]]:
    """The agents of conversations with their versions."""
    return {row[0]: (row[1], row[2]) for row in await connection.fetch(LIST_AGENTS, conversation_ids)}


LET_WAIT = """
UPDATE chat_turns AS t SET waiting_sequence = w.sequence
FROM unnest($1::uuid[], $2::bigint[]) AS w (conversation_id, sequence)
WHERE t.conversation_id = w.conversation_id AND t.state IN ('running', 'awaiting')
"""


async def let_wait(connection: Connection, through: Mapping[UUID, int]) -> None:
    """Let the messages up to these wait for the end of the turns that run."""
    await connection.execute(LET_WAIT, list(through), list(through.values()))


# `xmax` is 0 in a row that was inserted (and not in one that was updated).
REQUEST_TURNS = f"""
INSERT INTO chat_turns AS t (id, conversation_id, number, state, through_sequence, requested_at)
SELECT gen_random_uuid(), w.conversation_id, coalesce((
           SELECT max(n.number) FROM chat_turns AS n WHERE n.conversation_id = w.conversation_id
       ), 0) + 1, 'requested', w.sequence, clock_timestamp()
FROM unnest($1::uuid[], $2::bigint[]) AS w (conversation_id, sequence)
ON CONFLICT (conversation_id) WHERE state = 'requested'
DO UPDATE SET through_sequence = excluded.through_sequence
RETURNING {COLUMNS}, t.xmax = 0 AS is_new, {TELL_NEWS}
"""  # noqa: S608 -- only constants


async def request_turns(connection: Connection, through: Mapping[UUID, int]) -> list[tuple[Turn, bool]]:
    """Request turns for the messages up to these, by conversation; or let them join the turn that is
    requested already. Returns each, and whether it is new."""
    rows = await connection.fetch(REQUEST_TURNS, list(through), list(through.values()))
    return [(Turn(*row[:-2]), row[-2]) for row in rows]


COUNT_FACTS = """
UPDATE conversations SET event_sequence = event_sequence + 1 WHERE id = ANY($1::uuid[])
RETURNING id, event_sequence
"""


async def count_facts(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The sequence of one more fact about each of these conversations."""
    return {row[0]: row[1] for row in await connection.fetch(COUNT_FACTS, conversation_ids)}

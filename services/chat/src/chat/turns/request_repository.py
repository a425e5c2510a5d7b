"""SQL of turns that users' messages ask for. Each function runs its one statement on the caller's
transaction, which holds the locks of the conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from backbone import outbox
from chat.turns.records import Turn
from chat.turns.repository import COLUMNS, TELL_NEWS
from common import trace_context
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, TurnRequested

LIST_ASKED = """
SELECT id, agent_id, agent_version, turn_token_sha256 IS NOT NULL FROM conversations
WHERE id = ANY($1::uuid[])
"""


@dataclass(slots=True, frozen=True)
class Asked:
    """Who is asked in a locked conversation: its agent, and whether it works on a turn, in time or not."""

    agent_id: str
    agent_version: str
    busy: bool


async def list_asked(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, Asked]:
    """Who is asked in locked conversations."""
    return {row[0]: Asked(*row[1:]) for row in await connection.fetch(LIST_ASKED, conversation_ids)}


LET_WAIT = """
UPDATE chat_turns AS t SET waiting_sequence = w.sequence
FROM unnest($1::uuid[], $2::bigint[]) AS w (conversation_id, sequence)
WHERE t.conversation_id = w.conversation_id AND t.state IN ('running', 'awaiting')
"""


async def let_wait(connection: Connection, through: Mapping[UUID, int]) -> None:
    """Let the messages up to these wait for the end of the turns that run."""
    await connection.execute(LET_WAIT, list(through), list(through.values()))


_REQUESTED = """
chat_turns AS t (id, conversation_id, number, state, through_sequence, requested_at)
SELECT gen_random_uuid(), w.conversation_id, coalesce((
           SELECT max(n.number) FROM chat_turns AS n WHERE n.conversation_id = w.conversation_id
       ), 0) + 1, 'requested', w.sequence, clock_timestamp()
FROM unnest($1::uuid[], $2::bigint[]) AS w (conversation_id, sequence)
ON CONFLICT (conversation_id) WHERE state = 'requested'
DO UPDATE SET through_sequence = excluded.through_sequence
"""

# `xmax` is 0 in a row that was inserted (and not in one that was updated).
REQUEST_TURNS = f"""
INSERT INTO {_REQUESTED}
RETURNING {COLUMNS}, t.xmax = 0 AS is_new, {TELL_NEWS}
"""


async def request_turns(connection: Connection, through: Mapping[UUID, int]) -> list[tuple[Turn, bool]]:
    """Request turns for the messages up to these, by conversation; or let them join the turn that is
    requested already. Returns each, and whether it is new."""
    rows = await connection.fetch(REQUEST_TURNS, list(through), list(through.values()))
    return [(Turn(*row[:-2]), row[-2]) for row in rows]


# As REQUEST_TURNS, with a fact for each new turn:
#   counted  follows the locked conversations, of which no turn runs.
REQUEST_AND_TELL = f"""
WITH requested AS (
    INSERT INTO {_REQUESTED}
    RETURNING t.id, t.conversation_id, t.number, t.through_sequence, t.requested_at, t.xmax = 0 AS is_new
), counted AS (
    UPDATE conversations AS c SET event_sequence = c.event_sequence + 1
    FROM requested AS r WHERE c.id = r.conversation_id AND r.is_new
    RETURNING c.event_sequence, c.agent_id, c.agent_version, r.*
), facts AS (
    SELECT row_number() OVER (ORDER BY conversation_id) AS place, conversation_id::text AS subject,
           event_sequence AS sequence, $3::text AS traceparent, $4::text AS tracestate, $5::text AS baggage,
           '{{"conversationId":"' || conversation_id || '","turnId":"' || id || '","number":' || number
               || ',"agentId":' || to_json(agent_id) || ',"agentVersion":' || to_json(agent_version)
               || ',"throughSequence":' || through_sequence
               || ',"requestedAt":"' || {SQL_TIME.format("requested_at")} || '"}}' AS data
    FROM counted
), told AS ({outbox.insert_from("facts", FACTS_STREAM, TurnRequested.type)})
SELECT {TELL_NEWS} AS told_news, CASE WHEN is_new THEN {outbox.wake(FACTS_STREAM)} END AS told FROM requested
"""  # noqa: S608 -- only constants


async def request_and_tell(connection: Connection, through: Mapping[UUID, int]) -> None:
    """As :func:`request_turns`, with a fact for each new turn."""
    trace = trace_context.current()
    await connection.execute(
        REQUEST_AND_TELL,
        list(through),
        list(through.values()),
        trace.traceparent if trace else None,
        trace.tracestate if trace else None,
        trace.baggage if trace else None,
    )

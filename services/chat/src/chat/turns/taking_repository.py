"""SQL that lets a runtime take a requested turn. It is one statement, which needs no transaction."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from backbone import outbox
from chat.turns.records import Taking, Turn
from chat.turns.repository import COLUMNS, TELL_NEWS
from common import codec, trace_context
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, TurnStarted

#   held     waits for the conversation's row, and is left out if a turn holds it by then, or if there is none
#            to take;
#   started  looks at the requested turn as it is when the conversation is locked. If it has ended meanwhile,
#            the last line divides by zero, so that the statement fails as a whole.
TAKE_REQUESTED = f"""
WITH held AS (
    UPDATE conversations AS c
    SET turn_token_sha256 = $5, event_sequence = c.event_sequence + 1
    WHERE c.id = $1 AND c.user_id = $2 AND c.turn_token_sha256 IS NULL
      AND EXISTS (
          SELECT FROM chat_turns AS t
          WHERE t.conversation_id = $1 AND t.state = 'requested' AND t.id = coalesce($3, t.id)
      )
      AND NOT EXISTS (SELECT FROM chat_turns AS t WHERE t.conversation_id = $1 AND t.take_key_sha256 = $6)
    RETURNING c.id, c.event_sequence, c.message_sequence, c.agent_id, c.agent_version,
              coalesce(c.state, '{{}}') AS conversation_state, c.state_version, clock_timestamp() AS now
), started AS (
    UPDATE chat_turns AS t
    SET state = 'running', through_sequence = h.message_sequence, runtime = $4, token_sha256 = $5,
        take_key_sha256 = $6, take_request_sha256 = $7, ttl_seconds = $8, started_at = h.now,
        expires_at = h.now + make_interval(secs => $8::integer)
    FROM held AS h
    WHERE t.conversation_id = h.id AND t.state = 'requested' AND t.id = coalesce($3, t.id)
    RETURNING {COLUMNS}
), facts AS (
    SELECT 1 AS place, h.id::text AS subject, h.event_sequence AS sequence, $9::text AS traceparent,
           $10::text AS tracestate, $11::text AS baggage,
           '{{"conversationId":"' || h.id || '","turnId":"' || s.id || '","number":' || s.number
               || ',"runtime":' || $12 || ',"throughSequence":' || s.through_sequence
               || ',"startedAt":"' || {SQL_TIME.format("s.started_at")} || '"}}' AS data
    FROM held AS h CROSS JOIN started AS s
), told AS ({outbox.insert_from("facts", FACTS_STREAM, TurnStarted.type)})
SELECT started.*, agent_id, agent_version, conversation_state, state_version,
       {outbox.wake(FACTS_STREAM)} AS told, {TELL_NEWS} AS told_news,
       1 / (SELECT count(*) FROM started) AS one
FROM held LEFT JOIN started ON true
"""  # noqa: S608 -- only constants


@dataclass(slots=True, frozen=True)
class Started:
    """A turn that a runtime has taken, with the agent and the state of its conversation."""

    turn: Turn
    agent_id: str
    agent_version: str
    state: dict[str, Any]
    state_version: int


async def take_requested(
    connection: Connection, conversation_id: UUID, owner: str, turn_id: UUID | None, taking: Taking
) -> Started | None:
    """Let a runtime hold the turn that is requested in a conversation of this owner's (the one with
    ``turn_id``, if given), with its fact.

    None, and nothing is done, if it isn't so: there is none, another turn runs, or the request with this
    key has taken one before. Raises ``asyncpg.DivisionByZeroError``, and does nothing, if the turn ends just
    now.
    """
    trace = trace_context.current()
    row = await connection.fetchrow(
        TAKE_REQUESTED,
        conversation_id,
        owner,
        turn_id,
        taking.runtime,
        taking.token_sha256,
        taking.key_sha256,
        taking.request_sha256,
        taking.ttl_seconds,
        trace.traceparent if trace else None,
        trace.tracestate if trace else None,
        trace.baggage if trace else None,
        codec.dumps_str(taking.runtime),
    )
    return Started(Turn(*row[:-7]), *row[-7:-3]) if row else None

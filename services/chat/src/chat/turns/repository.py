"""SQL of turns. Each function runs its one statement on the caller's transaction.

Who changes a turn's state holds the lock of its conversation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from backbone.names import TURN_NEWS_CHANNEL
from chat.turns.records import Ending, Taking, Turn
from common.postgres import Connection

COLUMNS = """t.id, t.conversation_id, t.number, t.state, t.through_sequence, t.waiting_sequence, t.runtime,
       t.token_sha256, t.take_request_sha256, t.requested_at, t.started_at, t.expires_at, t.ended_at,
       t.awaiting, t.answer, t.usage, t.error,
       t.expires_at <= clock_timestamp() AND t.state IN ('running', 'awaiting') AS expired"""

TELL_NEWS = f"pg_notify('{TURN_NEWS_CHANNEL}', conversation_id::text)"
"""Wakes those who follow the turns of the conversation, once the transaction has committed."""

HELD_IN_TIME = """EXISTS (
    SELECT FROM chat_turns AS t WHERE t.conversation_id = {} AND t.state IN ('running', 'awaiting')
      AND t.expires_at > clock_timestamp())"""
"""SQL of whether the turn that a conversation has was renewed in time."""

GET_TURN = f"SELECT {COLUMNS} FROM chat_turns AS t WHERE t.id = $1 AND t.conversation_id = $2"  # noqa: S608


async def get_turn(connection: Connection, conversation_id: UUID, turn_id: UUID) -> Turn | None:
    """A turn of this conversation."""
    row = await connection.fetchrow(GET_TURN, turn_id, conversation_id)
    return Turn(*row) if row else None


LIST_HELD = f"""
SELECT {COLUMNS} FROM chat_turns AS t
WHERE t.conversation_id = ANY($1::uuid[]) AND t.state IN ('running', 'awaiting')
ORDER BY t.conversation_id
FOR NO KEY UPDATE OF t
"""  # noqa: S608 -- only constants
"""Locked, so that a renewal that is just committing is waited for, and counts."""


async def list_held(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, Turn]:
    """The turns that runtimes hold in these conversations, in time or not, by conversation."""
    rows = await connection.fetch(LIST_HELD, conversation_ids)
    return {row["conversation_id"]: Turn(*row) for row in rows}


GET_REQUESTED = f"""
SELECT {COLUMNS} FROM chat_turns AS t WHERE t.conversation_id = $1 AND t.state = 'requested'
"""  # noqa: S608 -- only constants


async def get_requested(connection: Connection, conversation_id: UUID) -> Turn | None:
    """The turn that waits for a runtime."""
    row = await connection.fetchrow(GET_REQUESTED, conversation_id)
    return Turn(*row) if row else None


GET_TAKEN = f"""
SELECT {COLUMNS} FROM chat_turns AS t WHERE t.conversation_id = $1 AND t.take_key_sha256 = $2
"""  # noqa: S608 -- only constants


async def get_taken(connection: Connection, conversation_id: UUID, key_sha256: bytes) -> Turn | None:
    """The turn that a request with this ``Idempotency-Key`` has taken."""
    row = await connection.fetchrow(GET_TAKEN, conversation_id, key_sha256)
    return Turn(*row) if row else None


_BEFORE = "t.number < $2::bigint ORDER BY t.number DESC"
_AFTER = "t.number > $2::bigint ORDER BY t.number"
LIST_BEFORE = f"""
SELECT {COLUMNS} FROM chat_turns AS t WHERE t.conversation_id = $1 AND {_BEFORE} LIMIT $3
"""  # noqa: S608 -- only constants
LIST_AFTER = f"""
SELECT {COLUMNS} FROM chat_turns AS t WHERE t.conversation_id = $1 AND {_AFTER} LIMIT $3
"""  # noqa: S608 -- only constants


async def list_before(connection: Connection, conversation_id: UUID, number: int, limit: int) -> list[Turn]:
    """Turns with numbers below this one, newest first."""
    return [Turn(*row) for row in await connection.fetch(LIST_BEFORE, conversation_id, number, limit)]


async def list_after(connection: Connection, conversation_id: UUID, number: int, limit: int) -> list[Turn]:
    """Turns with numbers above this one, oldest first."""
    return [Turn(*row) for row in await connection.fetch(LIST_AFTER, conversation_id, number, limit)]


# A requested turn has its row already; one that a runtime begins by itself gets the next number.
START_TURN = f"""
INSERT INTO chat_turns AS t (id, conversation_id, number, state, through_sequence, runtime, token_sha256,
                             take_key_sha256, take_request_sha256, ttl_seconds, requested_at, started_at,
                             expires_at)
SELECT $1, $2, coalesce((SELECT max(n.number) FROM chat_turns AS n WHERE n.conversation_id = $2), 0) + 1,
       'running', $3, $4, $5, $6, $7, $8::integer, now, now,
       now + make_interval(secs => $8::integer)
FROM clock_timestamp() AS now
ON CONFLICT (id) DO UPDATE
SET state = 'running', through_sequence = excluded.through_sequence, runtime = excluded.runtime,
    token_sha256 = excluded.token_sha256, take_key_sha256 = excluded.take_key_sha256,
    take_request_sha256 = excluded.take_request_sha256, ttl_seconds = excluded.ttl_seconds,
    started_at = excluded.started_at, expires_at = excluded.expires_at
RETURNING {COLUMNS}
"""  # noqa: S608 -- only constants


async def start_turn(
    connection: Connection, conversation_id: UUID, turn_id: UUID, through_sequence: int, taking: Taking
) -> Turn:
    """Let a runtime hold the requested turn with this id, or a new one."""
    row = await connection.fetchrow(
        START_TURN,
        turn_id,
        conversation_id,
        through_sequence,
        taking.runtime,
        taking.token_sha256,
        taking.key_sha256,
        taking.request_sha256,
        taking.ttl_seconds,
    )
    assert row is not None
    return Turn(*row)


@dataclass(slots=True, frozen=True)
class Counted:
    """What a locked conversation's row says after one more fact about it."""

    fact_sequence: int
    message_sequence: int
    agent_id: str
    agent_version: str
    at: datetime


HOLD_CONVERSATION = f"""
UPDATE conversations SET turn_token_sha256 = $2, event_sequence = event_sequence + $3 WHERE id = $1
RETURNING event_sequence, message_sequence, agent_id, agent_version, clock_timestamp(),
          pg_notify('{TURN_NEWS_CHANNEL}', id::text) AS told
"""  # noqa: S608 -- only constants


async def hold_conversation(
    connection: Connection, conversation_id: UUID, token_sha256: str | None, *, facts: int = 1
) -> Counted:
    """Let only this token write in a locked conversation; None lets everybody. Counts ``facts``."""
    row = await connection.fetchrow(HOLD_CONVERSATION, conversation_id, token_sha256, facts)
    assert row is not None, "it is locked"
    return Counted(*row[:5])


# At most $4 seconds after its start: then even one that is still renewed ends.
RENEW_TURN = f"""
UPDATE chat_turns AS t
SET ttl_seconds = coalesce($3::integer, t.ttl_seconds), expires_at = least(
    clock_timestamp() + make_interval(secs => coalesce($3::integer, t.ttl_seconds)),
    t.started_at + make_interval(secs => $4::integer)
)
WHERE t.id = $1 AND t.token_sha256 = $2 AND t.state IN ('running', 'awaiting')
  AND t.expires_at > clock_timestamp()
RETURNING {COLUMNS}
"""  # noqa: S608 -- only constants


async def renew_turn(
    connection: Connection, turn_id: UUID, token_sha256: str, ttl_seconds: int | None, max_seconds: int
) -> Turn | None:
    """Let its runtime hold a turn for longer; None if it doesn't hold it any more. Needs no lock of the
    conversation: an expired turn can't be renewed, and who interrupts one has locked it."""
    row = await connection.fetchrow(RENEW_TURN, turn_id, token_sha256, ttl_seconds, max_seconds)
    return Turn(*row) if row else None


LET_AWAIT = f"""
UPDATE chat_turns AS t SET state = 'awaiting', awaiting = $2, answer = NULL WHERE t.id = $1
RETURNING {COLUMNS}, {TELL_NEWS}
"""  # noqa: S608 -- only constants


async def let_await(connection: Connection, turn_id: UUID, awaiting: dict[str, Any]) -> Turn:
    """Let a turn that a runtime holds wait for a person. Its conversation is locked."""
    row = await connection.fetchrow(LET_AWAIT, turn_id, awaiting)
    assert row is not None, "its conversation is locked"
    return Turn(*row[:-1])


ANSWER_TURN = f"""
UPDATE chat_turns AS t SET state = 'running', answer = $2 WHERE t.id = $1
RETURNING {COLUMNS}, {TELL_NEWS}
"""  # noqa: S608 -- only constants


async def answer_turn(connection: Connection, turn_id: UUID, answer: dict[str, Any]) -> Turn:
    """Let a turn go on with what a person has answered. Its conversation is locked. The question stays, so
    that the same one, sent again, is known."""
    row = await connection.fetchrow(ANSWER_TURN, turn_id, answer)
    assert row is not None, "its conversation is locked"
    return Turn(*row[:-1])


REPLACE_TOKEN = f"""
UPDATE chat_turns AS t SET token_sha256 = $2
WHERE t.id = $1
RETURNING {COLUMNS}
"""  # noqa: S608 -- only constants


async def replace_token(connection: Connection, turn_id: UUID, token_sha256: str) -> Turn:
    """Give the runtime of a turn another token, in place of one that it never got."""
    row = await connection.fetchrow(REPLACE_TOKEN, turn_id, token_sha256)
    assert row is not None, "its conversation is locked"
    return Turn(*row)


END_TURN = f"""
UPDATE chat_turns AS t SET state = $2, awaiting = NULL, usage = $3, error = $4, ended_at = $5 WHERE t.id = $1
RETURNING {COLUMNS}
"""  # noqa: S608 -- only constants


async def end_turn(connection: Connection, turn_id: UUID, ending: Ending, at: datetime) -> Turn:
    """End a turn of a locked conversation."""
    row = await connection.fetchrow(END_TURN, turn_id, ending.state, ending.usage, ending.error, at)
    assert row is not None, "its conversation is locked"
    return Turn(*row)

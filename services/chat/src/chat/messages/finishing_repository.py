"""SQL that ends turns together with their last messages. Each function runs its one statement, which needs no
transaction."""

from collections.abc import Sequence
from uuid import UUID

from backbone import outbox
from backbone.names import TURN_NEWS_CHANNEL
from chat.messages.appended_rows import arguments_of
from chat.messages.appending import ALL_OR_NONE, FEW_ARRAYS, appended, appending
from chat.messages.records import NewMessage
from chat.turns.records import PieceRow, Turn
from chat.turns.repository import COLUMNS
from common.json_time import SQL_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM, MessageAppended, TurnFinished

_LET_GO = "turn_token_sha256 = NULL, "

# As an append, whose `counted` also lets go of the conversation; all or nothing:
#   ended     looks at the turn as it is when the conversation is locked: a user's message may wait by then;
#   shown     leaves out what is shown if the turn has shown something before;
#   finished  is the last fact.
FINISH_TURN = f"""
WITH appended AS MATERIALIZED ({appended(FEW_ARRAYS)}{appending(alone=True, more_facts="1", and_set=_LET_GO)}
, ended AS (
    UPDATE chat_turns AS t
    SET state = 'finished', awaiting = NULL, usage = $18::text::jsonb, ended_at = c.now
    FROM counted AS c
    WHERE t.id = $17 AND t.conversation_id = c.id AND t.token_sha256 = $19 AND t.waiting_sequence IS NULL
      AND t.state IN ('running', 'awaiting') AND t.expires_at > clock_timestamp()
    RETURNING {COLUMNS}, c.event_sequence
), shown AS (
    INSERT INTO chat_turn_pieces (turn_id, first, last, total_bytes, pieces)
    SELECT id, 1, $20::int, octet_length($21::text), $21 FROM ended WHERE $21 IS NOT NULL
    ON CONFLICT (turn_id, first) DO NOTHING
), finished AS (
    SELECT cardinality($1::uuid[]) + 1 AS place, conversation_id::text AS subject, event_sequence AS sequence,
           '{TurnFinished.type}' AS type, $12[1] AS traceparent, $13[1] AS tracestate, $14[1] AS baggage,
           '{{"conversationId":"' || conversation_id || '","turnId":"' || id || '","number":' || number
               || coalesce(',"usage":' || $18, '')
               || ',"finishedAt":"' || {SQL_TIME.format("ended_at")} || '"}}' AS data
    FROM ended
), all_facts AS (
    SELECT place, subject, sequence, '{MessageAppended.type}' AS type, traceparent, tracestate, baggage, data
    FROM facts
    UNION ALL
    SELECT * FROM finished
), told AS ({outbox.insert_from("all_facts", FACTS_STREAM)})
SELECT ended.*, {outbox.wake(FACTS_STREAM)} AS told,
       pg_notify('{TURN_NEWS_CHANNEL}', conversation_id::text) AS told_news, all_inserted
FROM (
    SELECT {ALL_OR_NONE} / (SELECT count(*) FROM ended) AS all_inserted WHERE EXISTS (SELECT FROM placed)
) AS checked
LEFT JOIN ended ON true
"""  # noqa: S608 -- only constants


async def finish_turn(
    connection: Connection,
    turn_id: UUID,
    token_sha256: str,
    usage: str | None,
    messages: Sequence[NewMessage],
    shown: PieceRow | None,
) -> Turn | None:
    """Finish a turn that its runtime holds in time, with some last messages of one conversation, each with
    its fact, and with its ``usage`` (JSON). ``shown`` is what it shows if it has shown nothing before.

    None, and nothing is done, if it isn't so, or no message is new. Raises ``asyncpg.DivisionByZeroError``,
    and does nothing, if only some messages could be inserted, if a user's message waits for the end of the
    turn, or if it ends otherwise just now.
    """
    row = await connection.fetchrow(
        FINISH_TURN,
        *arguments_of(messages),
        None,
        turn_id,
        usage,
        token_sha256,
        shown.last if shown else None,
        shown.pieces if shown else None,
    )
    return Turn(*row[:-4]) if row else None

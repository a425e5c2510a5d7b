"""Parts of the statements that append messages: each is complete in one round trip, for any number of
messages and conversations."""

from collections.abc import Sequence

from chat.turns.repository import HELD_IN_TIME
from chat.usage.counting import COUNTED, count_from
from common.json_time import SQL_TIME

FENCE = "CASE WHEN a.fenced THEN c.turn_token_sha256 IS NOT DISTINCT FROM a.turn_sha256 ELSE true END"
_IN_TIME = f"CASE WHEN a.turn_sha256 IS NOT NULL THEN {HELD_IN_TIME.format('c.id')} ELSE true END"


# The parts, in their order:
#   appended  leaves out ids that exist, so that every count below is right. A subquery, because a join may
#             read the whole table; not `IS NULL`, which the planner takes to be true of hardly any row, and
#             then compares each row with each in the joins below;
#   counted   is the one part that waits for the conversations' rows, and nothing returns to them. A statement
#             that locks a row first and changes it afterwards looks for the version that it saw before it
#             waited, and waits there for those who wait for it. The clock is read when the wait is over, so
#             each message is later than all before it. It also tells the trigger that this transaction
#             places its messages itself, and for how long to wait. `max(… + 0)`: a bare max() lets the
#             planner search messages_created_at_index backwards for one conversation. The owner stands in a
#             CASE, because the planner takes `… IS NULL OR …` to leave one conversation, and reads all for
#             each batch. In the order of the ids, as all lock them, but where the planner reads a small table
#             whole: so several conversations are locked before (a batch), or waited for only briefly (a group
#             of requests). A conversation whose turn another runtime holds is left out, unless only users
#             speak: it is compared in the row as it is locked.
#             So is one whose turn's time is over, if nobody has looked before (`alone`);
#   inserted  skips an id that another transaction has stored meanwhile: then `counted` counted too many, and
#             NONE_MISSING divides by zero, so that the statement fails as a whole;
#   used      counts the usage of the conversations' users;
#   facts     completes what the caller knows of each fact by the message's time and place.
def appending(*, alone: bool = False, more_facts: str = "0", and_set: str = "") -> str:
    """SQL of these parts, after ``appended``. ``alone``: for callers that haven't locked the conversations.
    They leave room for the sequences of ``more_facts`` after the messages' own, and let ``counted`` set
    more."""
    in_time = f"AND {_IN_TIME}" if alone else ""
    return f"""
), counted AS (
    UPDATE conversations AS c
    SET {and_set}event_sequence = c.event_sequence + a.messages + {more_facts},
        message_sequence = c.message_sequence + a.messages,
        (last_message_at, updated_at) = (
            SELECT last, last
            FROM (SELECT a.messages * interval '1 microsecond' + greatest(clock_timestamp(), coalesce(
                c.last_message_at,
                (SELECT max(m.created_at + interval '0') FROM messages AS m WHERE m.conversation_id = c.id)
            )) AS last) AS clock
        )
    FROM (
        SELECT conversation_id, owner, count(*) AS messages, max(turn_sha256) AS turn_sha256,
               bool_or(role <> 'user' OR turn_sha256 IS NOT NULL) AS fenced
        FROM appended
        GROUP BY conversation_id, owner ORDER BY conversation_id
    ) AS a
    WHERE c.id = a.conversation_id AND CASE WHEN a.owner IS NULL THEN true ELSE c.user_id = a.owner END
      AND {FENCE} {in_time}
      AND (SELECT set_config('takaro.message_order', 'numbered', true)) = 'numbered' AND {COUNTED}
      AND (SELECT set_config('lock_timeout', coalesce($16, current_setting('lock_timeout')), true)) <> ''
    RETURNING c.id, c.user_id, c.agent_id, a.owner, a.messages,
              c.event_sequence - a.messages - {more_facts} AS facts, c.event_sequence, c.agent_version,
              clock_timestamp() AS now, c.message_sequence - a.messages AS sequence,
              c.last_message_at - a.messages * interval '1 microsecond' AS at
), placed AS MATERIALIZED (
    SELECT a.*, c.user_id, c.agent_id, c.facts + row_number() OVER by_place AS fact_sequence,
           c.at + row_number() OVER by_place * interval '1 microsecond' AS created_at,
           c.sequence + row_number() OVER by_place AS sequence
    FROM appended AS a
    JOIN counted AS c ON c.id = a.conversation_id AND c.owner IS NOT DISTINCT FROM a.owner
    WINDOW by_place AS (PARTITION BY c.id ORDER BY a.place)
), inserted AS (
    INSERT INTO messages (id, conversation_id, role, content, tool_calls, tool_results, token_count,
                          latency_ms, model, created_at, sequence)
    SELECT id, conversation_id, role, content, tool_calls::jsonb, tool_results::jsonb, token_count,
           latency_ms, model, created_at, sequence
    FROM placed
    ORDER BY place
    ON CONFLICT (id) DO NOTHING
    RETURNING id
), used AS ({count_from("placed")}
), facts AS (
    SELECT place, conversation_id::text AS subject, fact_sequence AS sequence, traceparent, tracestate,
           baggage, fact || ',"createdAt":"' || {SQL_TIME.format("created_at")}
                || '","sequence":' || sequence || '}}' AS data
    FROM placed
)"""  # noqa: S608 -- only constants


NONE_MISSING = "1 / (1 - least(1, (SELECT count(*) FROM placed) - (SELECT count(*) FROM inserted)))"
"""SQL of a column that fails unless all that were placed were inserted."""
ALL_OR_NONE = "1 / (1 - least(1, cardinality($1::uuid[]) - (SELECT count(*) FROM inserted)))"
"""SQL of a column that fails unless all messages were inserted."""

ARRAYS = [
    f"${number}::{kind}[]"
    for number, kind in enumerate(["uuid", "uuid", *["text"] * 4, "int", "int", *["text"] * 7], start=1)
]
FEW_ARRAYS = [f"(SELECT {array})" for array in ARRAYS]
"""Their lengths, which the planner doesn't see here, decide no plan."""


def appended(arrays: Sequence[str]) -> str:
    """SQL of the part ``appended``: the messages in these arrays whose ids are free."""
    return f"""
    SELECT *
    FROM unnest({", ".join(arrays)}) WITH ORDINALITY
         AS t(id, conversation_id, role, content, tool_calls, tool_results, token_count, latency_ms, model,
              owner, turn_sha256, traceparent, tracestate, baggage, fact, place)
    WHERE coalesce((SELECT false FROM messages AS m WHERE m.id = t.id), true)
    """  # noqa: S608 -- only constants

"""SQL of states. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence
from uuid import UUID

from backbone import outbox
from backbone.outbox import Fact
from chat.states.records import EditableState, EditedState, Limits
from chat.turns.repository import HELD_IN_TIME
from common.postgres import Connection
from contracts.chat import FACTS_STREAM

FENCE = "c.turn_token_sha256 IS NOT DISTINCT FROM s.turn_sha256"
IN_TIME = f"CASE WHEN $21 THEN {HELD_IN_TIME.format('c.id')} ELSE true END"
TOO_MANY = 8
"""Versions are removed when there are an eighth more than may be kept."""

GET_STATE = """
SELECT id, user_id, coalesce(state, '{}') AS state, state_version, created_at, turn_token_sha256
FROM conversations WHERE id = $1
"""


async def get_state(connection: Connection, conversation_id: UUID) -> EditableState | None:
    """State, version and owner of a conversation, not locked."""
    row = await connection.fetchrow(GET_STATE, conversation_id)
    return EditableState(*row) if row else None


LOCK_STATES = """
SELECT id, user_id, coalesce(state, '{}') AS state, state_version, created_at, turn_token_sha256
FROM conversations
WHERE id = ANY($1::uuid[])
ORDER BY id
FOR NO KEY UPDATE
"""


async def lock_states(connection: Connection, conversation_ids: Sequence[UUID]) -> dict[UUID, EditableState]:
    """Lock conversations in the order of their ids, so that two batches can't deadlock."""
    rows = await connection.fetch(LOCK_STATES, conversation_ids)
    return {row["id"]: EditableState(*row) for row in rows}


# One statement for states, their versions and their facts, so that it is complete without a transaction:
#   sent      each new version; the newest of each conversation, which has facts, is its state too;
#   updated   changes a state only at the version that the caller has read, of the conversation that they have
#             read, while the turn that held it then still does (in time, if the caller hasn't locked it),
#             and says for the transaction that the versions are kept here, so that the trigger doesn't.
#             All other parts begin with its rows;
#   newest    the newest version that was kept before;
#   found     the state before, if it wasn't: that of the conversation's creation;
#   added     adds up the bytes, so that `removed` needs no sum;
#   removed   looks for the first version to keep, beginning at the oldest that may be kept, which is almost
#             always the first one that it reads. It waits until some are too many, because it costs as much
#             as `kept`. Readers leave out what is too many;
#   told      gives the facts their sequences.
# Arrays whose lengths the planner doesn't see let it keep one plan, as in INSERT_FEW_MESSAGES.
_SENT = ", ".join(
    f"(SELECT ${number}::{kind}[])"
    for number, kind in enumerate(
        ["uuid", "text", "timestamptz", "bigint", "bigint", "text", "bigint", *["text"] * 3], start=1
    )
)
_FACTS = ", ".join(
    f"(SELECT ${number}::{kind}[])" for number, kind in enumerate(["text", "bigint", *["text"] * 5], start=11)
)
UPDATE_STATES = f"""
WITH sent AS MATERIALIZED (
    SELECT id, owner, created_at, before, version, state::jsonb AS state, octet_length(state) AS bytes, facts,
           user_id, source, turn_sha256
    FROM unnest({_SENT})
         AS t(id, owner, created_at, before, version, state, facts, user_id, source, turn_sha256)
), updated AS (
    UPDATE conversations AS c
    SET state = s.state, state_version = s.version, event_sequence = c.event_sequence + s.facts,
        updated_at = clock_timestamp()
    FROM sent AS s
    WHERE c.id = s.id AND s.facts > 0 AND c.state_version = s.before
      AND c.user_id IS NOT DISTINCT FROM s.owner AND c.created_at IS NOT DISTINCT FROM s.created_at
      AND {FENCE} AND {IN_TIME}
      AND (SELECT set_config('takaro.state_history', 'kept', true)) = 'kept'
    RETURNING c.id, s.before, c.event_sequence - s.facts AS sequence
), newest AS MATERIALIZED (
    SELECT u.id, u.before, last.version, coalesce(last.total, 0) AS total
    FROM updated AS u LEFT JOIN LATERAL (
        SELECT version, total FROM chat_state_versions AS v WHERE v.conversation_id = u.id
        ORDER BY version DESC LIMIT 1
    ) AS last ON true
), found AS MATERIALIZED (
    SELECT c.id, c.state_version AS version, coalesce(c.state, '{{}}') AS state,
           octet_length(coalesce(c.state, '{{}}')::text) AS bytes,
           CASE WHEN c.state_version = 0 THEN c.created_at END AS changed_at
    FROM newest AS n JOIN conversations AS c ON c.id = n.id
    WHERE n.version IS NULL OR n.version < n.before
), added AS MATERIALIZED (
    SELECT a.id, a.version, state, bytes, user_id, source, changed_at,
           n.total + sum(bytes) OVER (PARTITION BY a.id ORDER BY a.version) AS total
    FROM (
        SELECT id, version, state, bytes, user_id, source, clock_timestamp() AS changed_at FROM sent
        UNION ALL
        SELECT id, version, state, bytes, NULL, NULL, changed_at FROM found
    ) AS a JOIN newest AS n ON n.id = a.id
), kept AS (
    INSERT INTO chat_state_versions (conversation_id, version, state, bytes, total, user_id, source,
                                     changed_at)
    SELECT id, version, state, bytes, total, user_id, source, changed_at FROM added
), removed AS (
    DELETE FROM chat_state_versions AS v
    USING (
        SELECT a.id, coalesce((
            SELECT k.version FROM chat_state_versions AS k
            WHERE k.conversation_id = a.id AND k.version > max(a.version) - $18
              AND k.total - k.bytes >= max(a.total) - $20
            ORDER BY k.version
            LIMIT 1
        ), min(a.version)) AS first
        FROM added AS a CROSS JOIN LATERAL (
            SELECT o.version, o.total - o.bytes AS before FROM chat_state_versions AS o
            WHERE o.conversation_id = a.id ORDER BY o.version LIMIT 1
        ) AS oldest
        GROUP BY a.id, oldest.version, oldest.before
        HAVING oldest.version <= max(a.version) - $18 - $19 OR oldest.before < max(a.total) - $20
    ) AS keep
    WHERE v.conversation_id = keep.id AND v.version < keep.first
), facts AS (
    SELECT f.place, f.subject, u.sequence + f.sequence AS sequence, f.type, traceparent, tracestate, baggage,
           data
    FROM unnest({_FACTS}) WITH ORDINALITY
         AS f(subject, sequence, type, traceparent, tracestate, baggage, data, place)
    JOIN updated AS u ON u.id = f.subject::uuid
), told AS ({outbox.insert_from("facts", FACTS_STREAM)})
SELECT id, {outbox.wake(FACTS_STREAM)} AS told FROM updated
"""  # noqa: S608 - only names of ours


async def update_states(
    connection: Connection,
    edited: Sequence[EditedState],
    facts: Sequence[Fact],
    limits: Limits,
    *,
    in_time: bool = False,
) -> bool:
    """Write new states, keep their versions, and remove those over the limits, with a fact for each edit.

    A fact's sequence is its place among those of its conversation. Returns whether all were written: a
    state that has another version by now than the edits were made from is left as it is, with all that
    belongs to it. The caller has locked the conversations, or edits one and needs no transaction; then
    ``in_time`` leaves out a state whose turn's time is over.
    """
    sent = [(e, e.current, v) for e in edited for v in e.versions]
    rows = await connection.fetch(
        UPDATE_STATES,
        [of.conversation_id for _, of, _ in sent],
        [of.user_id for _, of, _ in sent],
        [of.created_at for _, of, _ in sent],
        [e.before for e, _, _ in sent],
        [v.version for _, _, v in sent],
        [v.state.decode() for _, _, v in sent],
        [e.facts * (v is e.versions[-1]) for e, _, v in sent],
        [v.author.user_id for _, _, v in sent],
        [v.author.source for _, _, v in sent],
        [of.turn_sha256 for _, of, _ in sent],
        *outbox.columns(facts),
        limits.versions,
        limits.versions // TOO_MANY,
        limits.versions_bytes,
        in_time,
    )
    return len(rows) == len(edited)

"""SQL of searches. Each function runs its one statement on the caller's connection."""

from collections.abc import Sequence

from chat.search.records import Hit, Position, Query
from chat.search.rules import FRAGMENT_ENDS, MARKS, MATCH_BEGINS, MATCH_ENDS, fragments
from common.postgres import Connection

# querytree() leaves out what is only excluded; 'T' is a query that nothing but exclusions is left of.
PARSE_QUERY = """
SELECT (CAST('''@ ' || md5($2) || '''' AS tsquery) && q)::text AS owned
FROM websearch_to_tsquery('simple', $1) AS q
WHERE numnode(q) > 0 AND querytree(q) NOT IN ('', 'T')
"""


async def parse_query(connection: Connection, text: str, user_id: str) -> Query | None:
    """What Postgres makes of a query's text. None if nothing is left to find."""
    owned = await connection.fetchval(PARSE_QUERY, text, user_id)
    return None if owned is None else Query(text, owned)


# All of the row comparison's columns are the index's, in its order, and no equality says how few rows there
# may be: else the planner sorts all of a user's messages for each search.
LIST_AMONG_NEWEST = """
SELECT created_at, conversation_id, sequence
FROM (
    SELECT user_id, created_at, conversation_id, sequence, words
    FROM message_search
    WHERE user_id >= $1
      AND (user_id, created_at, conversation_id, sequence)
        < ($1, coalesce($2::timestamptz, 'infinity'),
           coalesce($3::uuid, '00000000-0000-0000-0000-000000000000'), coalesce($4::bigint, 0))
    ORDER BY user_id DESC, created_at DESC, conversation_id DESC, sequence DESC
    LIMIT $7
) AS newest
WHERE user_id = $1 AND words @@ CAST($5::text AS tsquery)
LIMIT $6
"""


async def list_among_newest(
    connection: Connection, user_id: str, query: Query, after: Position | None, limit: int, among: int
) -> list[Position]:
    """The first ``limit`` messages that match among the newest ``among`` of a user's after ``after``."""
    rows = await connection.fetch(
        LIST_AMONG_NEWEST, user_id, *(after or (None, None, None)), query.owned, limit, among
    )
    return [(row[0], row[1], row[2]) for row in rows]


# The full-text index alone finds the messages: by the index of users the planner would read all of theirs.
LIST_BY_WORDS = """
WITH found AS MATERIALIZED (
    SELECT user_id, created_at, conversation_id, sequence
    FROM message_search WHERE words @@ CAST($5::text AS tsquery)
)
SELECT created_at, conversation_id, sequence
FROM found
WHERE user_id = $1 AND ($3::uuid IS NULL OR (created_at, conversation_id, sequence) < ($2, $3, $4::bigint))
ORDER BY created_at DESC, conversation_id DESC, sequence DESC
LIMIT $6
"""


async def list_by_words(
    connection: Connection, user_id: str, query: Query, after: Position | None, limit: int
) -> list[Position]:
    """The first ``limit`` of all of a user's messages that match, after ``after``, newest first."""
    rows = await connection.fetch(LIST_BY_WORDS, user_id, *(after or (None, None, None)), query.owned, limit)
    return [(row[0], row[1], row[2]) for row in rows]


# ts_headline reads a text word by word, so a long one is cut to where the first of the words stands.
LIST_HITS = f"""
SELECT m.id, m.conversation_id, m.sequence, m.role, m.created_at, c.title, c.agent_id, c.agent_version,
       ts_headline('simple', cut.text, websearch_to_tsquery('simple', $3), $4) AS headline
FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS wanted (conversation_id, sequence, place)
JOIN messages AS m USING (conversation_id, sequence)
JOIN conversations AS c ON c.id = m.conversation_id
CROSS JOIN LATERAL (
    SELECT message_search_text(translate(m.content, '{MARKS}', '')) AS text
) AS whole
CROSS JOIN LATERAL (
    SELECT CASE WHEN length(whole.text) <= 4000 THEN whole.text ELSE substr(whole.text, greatest(1, (
        SELECT min(nullif(strpos(lower(whole.text), word), 0))
        FROM unnest(tsvector_to_array(to_tsvector('simple', $3))) AS word
    ) - 200), 4000) END AS text
) AS cut
ORDER BY wanted.place
"""  # noqa: S608 -- constants

_OPTIONS = (
    f'StartSel="{MATCH_BEGINS}", StopSel="{MATCH_ENDS}", FragmentDelimiter="{FRAGMENT_ENDS}", '
    "MaxFragments=3, MinWords=5, MaxWords=20, ShortWord=0"
)


async def list_hits(connection: Connection, query: Query, positions: Sequence[Position]) -> list[Hit]:
    """The messages at these positions, in this order, if they still exist, with highlighted fragments."""
    ids = [conversation_id for _, conversation_id, _ in positions]
    rows = await connection.fetch(LIST_HITS, ids, [place for *_, place in positions], query.text, _OPTIONS)
    return [
        Hit(
            id=row["id"],
            conversation_id=row["conversation_id"],
            sequence=row["sequence"],
            role=row["role"],
            created_at=row["created_at"],
            title=row["title"],
            agent_id=row["agent_id"],
            agent_version=row["agent_version"],
            fragments=fragments(row["headline"]),
        )
        for row in rows
    ]

"""SQL of the bases that chat knows. Each function runs its one statement on the caller's transaction."""

from collections.abc import Sequence

from chat.knowledge_bases.records import Found, ToldBase, VisibleBase
from common.postgres import Connection

UPSERT_BASE = """
INSERT INTO chat_knowledge_bases AS known (id, name, description, owner, public, revision, deleted_at)
VALUES ($1, $2, coalesce($3, ''), $4, $5, $6, CASE WHEN $7::boolean THEN clock_timestamp() END)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, description = coalesce($3, known.description),
    owner = excluded.owner, public = excluded.public, deleted_at = excluded.deleted_at,
    revision = coalesce(excluded.revision, known.revision)
WHERE excluded.revision IS NULL OR known.revision IS NULL OR excluded.revision > known.revision
"""


async def upsert_base(connection: Connection, base: ToldBase) -> None:
    """Store what a fact tells, unless a later one has told more. A fact without a description leaves it."""
    await connection.execute(
        UPSERT_BASE,
        base.id,
        base.name,
        base.description,
        base.owner,
        base.public,
        base.revision,
        base.deleted,
    )


_VISIBLE = "deleted_at IS NULL AND (public OR owner = $1)"

LIST_VISIBLE = f"""
SELECT id, name, description FROM chat_knowledge_bases
WHERE {_VISIBLE} AND id > $2
ORDER BY id LIMIT $3
"""  # noqa: S608 -- a constant


async def list_visible(connection: Connection, user_id: str, after: str, limit: int) -> list[VisibleBase]:
    """The public bases and the user's own, by id: the first ``limit`` after ``after``."""
    rows = await connection.fetch(LIST_VISIBLE, user_id, after, limit)
    return [VisibleBase(**dict(row)) for row in rows]


FIND_VISIBLE = f"""
SELECT EXISTS (SELECT FROM chat_knowledge_bases) AS any_told,
       ARRAY(SELECT id FROM chat_knowledge_bases WHERE {_VISIBLE} AND id = ANY ($2::text[])) AS visible
"""  # noqa: S608 -- a constant


async def find_visible(connection: Connection, user_id: str, ids: Sequence[str]) -> Found:
    """Which of these bases the user may read."""
    row = await connection.fetchrow(FIND_VISIBLE, user_id, ids)
    assert row is not None, "it has no FROM"
    return Found(row["any_told"], frozenset(row["visible"]))


DELETE_FORGOTTEN = """
DELETE FROM chat_knowledge_bases WHERE id IN (
    SELECT id FROM chat_knowledge_bases
    WHERE deleted_at < clock_timestamp() - $1::int * interval '1 day'
    LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""


async def delete_forgotten(connection: Connection, days: int, limit: int) -> int:
    """Delete up to ``limit`` rows of bases that were deleted ``days`` ago. Returns their number."""
    status: str = await connection.execute(DELETE_FORGOTTEN, days, limit)
    return int(status.rpartition(" ")[2])

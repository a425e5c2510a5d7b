"""SQL of the spaces and their indexes. Functions take a connection, run one statement and never commit."""

from collections.abc import Sequence

from common.postgres import Connection
from knowledge.content.vectors.records import Recall, Space, SpaceIndex
from knowledge.content.vectors.rules import INDEX_PREFIX

# Whoever adds chunks holds the row of their space. A space that is held is passed over.
LOCK_EMPTY_SPACES = """
SELECT id FROM knowledge_spaces AS space
WHERE NOT EXISTS (SELECT FROM knowledge_vectors AS stored WHERE stored.space = space.id)
ORDER BY id FOR UPDATE SKIP LOCKED
"""


async def lock_empty_spaces(connection: Connection) -> list[int]:
    """Hold the spaces without chunks until the transaction ends. Returns their ids.

    A writer may have filled one of them since this statement began: only a later statement sees that.
    """
    return [row["id"] for row in await connection.fetch(LOCK_EMPTY_SPACES)]


DELETE_EMPTY_SPACES = """
DELETE FROM knowledge_spaces AS space WHERE id = ANY($1::integer[]) AND NOT EXISTS (
    SELECT FROM knowledge_embeddings AS chunk
    WHERE chunk.knowledge_base_id = space.knowledge_base_id AND chunk.version = space.version
)
"""


async def delete_empty_spaces(connection: Connection, held: Sequence[int]) -> int:
    """Delete those of ``held``, which this transaction locked, that have no chunks. Returns how many.

    The transaction must be READ COMMITTED.
    """
    done: str = await connection.execute(DELETE_EMPTY_SPACES, held)
    return int(done.rpartition(" ")[2])


LIST_SPACES = """
SELECT space.id, space.knowledge_base_id AS base_id, space.version, counted.rows, space.ef_search
FROM knowledge_spaces AS space
JOIN (SELECT space, count(*) AS rows FROM knowledge_vectors GROUP BY space) AS counted
  ON counted.space = space.id
"""


async def list_spaces(connection: Connection) -> list[Space]:
    """The spaces that have rows, counted."""
    return [Space(**dict(row)) for row in await connection.fetch(LIST_SPACES)]


LIST_SPACE_INDEXES = f"""
SELECT class.relname AS name, substr(class.relname, length('{INDEX_PREFIX}') + 1)::integer AS space,
       index.indisvalid AS valid,
       EXISTS (SELECT FROM pg_stat_progress_create_index AS build
               WHERE build.index_relid = index.indexrelid) AS building
FROM pg_index AS index JOIN pg_class AS class ON class.oid = index.indexrelid
WHERE index.indrelid = 'knowledge_vectors'::regclass AND class.relname ~ '^{INDEX_PREFIX}[0-9]+$'
ORDER BY class.relname
"""  # noqa: S608 -- only constants


async def list_space_indexes(connection: Connection) -> list[SpaceIndex]:
    """The indexes over one space each, valid or not."""
    return [SpaceIndex(**dict(row)) for row in await connection.fetch(LIST_SPACE_INDEXES)]


MEASURE_RECALL = """
WITH question AS MATERIALIZED (
    SELECT far, vector, ARRAY(
        SELECT chunk FROM knowledge_nearest($1, '', '', vector, 10, NULL, false, 100, 1)
    ) AS truth
    FROM (
        (SELECT false AS far, embedding AS vector
         FROM knowledge_vectors WHERE space = $1 ORDER BY md5(chunk::text) LIMIT $2)
        UNION ALL
        (SELECT true, embedding
         FROM knowledge_spaces AS other CROSS JOIN LATERAL (
             SELECT embedding, chunk FROM knowledge_vectors WHERE space = other.id LIMIT 20
         ) AS stored
         WHERE other.id <> $1 ORDER BY row_number() OVER (PARTITION BY other.id), md5(chunk::text) LIMIT $2)
    ) AS chosen
)
SELECT tried.ef_search, question.far, avg((
    SELECT count(*) FROM knowledge_nearest($1, '', '', vector, 15, NULL, true, tried.ef_search, 20000) AS near
    WHERE near.chunk = ANY(question.truth)
) / nullif(cardinality(question.truth), 0)::float8) AS recall
FROM question CROSS JOIN unnest($3::integer[]) AS tried (ef_search)
GROUP BY 1, 2
"""


async def measure_recall(
    connection: Connection, space: int, questions: int, steps: Sequence[int], seconds: float
) -> list[Recall]:
    """How much of what comparing every row finds the index of ``space`` finds at each of ``steps``.

    The vectors of chunks are the questions: ``questions`` of the space itself, and as many of others,
    which all count the same, whatever their size.
    """
    rows = await connection.fetch(MEASURE_RECALL, space, questions, steps, timeout=seconds)
    return [Recall(**dict(row)) for row in rows]


UPDATE_EF_SEARCH = "UPDATE knowledge_spaces SET ef_search = $2 WHERE id = $1"


async def update_ef_search(connection: Connection, space: int, ef_search: int) -> None:
    """Store what searches of this space's index use."""
    await connection.execute(UPDATE_EF_SEARCH, space, ef_search)

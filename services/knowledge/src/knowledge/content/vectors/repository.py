"""SQL of the spaces and their indexes. Functions take a connection, run one statement and never commit."""

from common.postgres import Connection
from knowledge.content.vectors.records import Space, SpaceIndex
from knowledge.content.vectors.rules import INDEX_PREFIX

# Whoever adds chunks holds the row of their space. A space that is held is passed over.
DELETE_EMPTY_SPACES = """
WITH empty AS MATERIALIZED (
    SELECT id FROM knowledge_spaces AS space
    WHERE NOT EXISTS (SELECT FROM knowledge_vectors AS stored WHERE stored.space = space.id)
    ORDER BY id FOR UPDATE SKIP LOCKED
)
DELETE FROM knowledge_spaces AS space USING empty
WHERE space.id = empty.id AND NOT EXISTS (
    SELECT FROM knowledge_embeddings AS chunk
    WHERE chunk.knowledge_base_id = space.knowledge_base_id AND chunk.version = space.version
)
"""


async def delete_empty_spaces(connection: Connection) -> int:
    """Delete the spaces of versions that have no chunks any more. Returns how many."""
    done: str = await connection.execute(DELETE_EMPTY_SPACES)
    return int(done.rpartition(" ")[2])


LIST_SPACES = """
SELECT space.id, space.knowledge_base_id AS base_id, space.version, counted.rows
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

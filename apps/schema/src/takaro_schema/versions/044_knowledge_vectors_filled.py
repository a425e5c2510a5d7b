"""Adds the vectors of chunks from before 043 to ``knowledge_vectors``, in batches, then its index by
space.

It follows the pages of the table, so that the rows of a base stay together. After a kill it passes over
what is there. A batch holds its chunks against change; one that a writer is changing is passed over, and
added at the end, alone. All spaces are open before. So a batch never waits while others wait for it, and
can't deadlock with a sync.
"""

from takaro_schema.batches import run_in_batches

revision = "044"
down_revision = "043"
HOLDS = ()

INDEX = "knowledge_vectors_space_index"

PAGES_A_BATCH = 100
"""Some 500 to 1,000 chunks, which are locked for well under a second."""

# Each comes in a statement of its own, so that it sees what is left once the rows are locked.
ADD = """
        PERFORM knowledge_open_spaces(array_agg(knowledge_base_id), array_agg(version))
        FROM (SELECT DISTINCT knowledge_base_id, version
              FROM knowledge_embeddings WHERE id = ANY (chunks)) AS wanted;
        INSERT INTO knowledge_vectors (space, chunk, embedding)
        SELECT space.id, chunk.id, l2_normalize(chunk.embedding)\\:\\:halfvec(1536)
        FROM knowledge_embeddings AS chunk JOIN knowledge_spaces AS space
          ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
        WHERE chunk.id = ANY (chunks)
        ORDER BY space.id, chunk.ctid
        ON CONFLICT DO NOTHING;
        COMMIT;
"""

MISSING = "NOT EXISTS (SELECT FROM knowledge_vectors AS stored WHERE stored.chunk = knowledge_embeddings.id)"

FILL = f"""
DO $$
DECLARE
    pages bigint = pg_relation_size('knowledge_embeddings') / current_setting('block_size')\\:\\:integer;
    page bigint = 0;
    chunks uuid[];
    missing uuid;
    base text;
    base_version text;
BEGIN
    FOR base, base_version IN SELECT DISTINCT knowledge_base_id, version FROM knowledge_embeddings LOOP
        PERFORM knowledge_open_spaces(ARRAY[base], ARRAY[base_version]);
        COMMIT;
    END LOOP;
    WHILE page < pages LOOP
        chunks = ARRAY(
            SELECT id FROM knowledge_embeddings
            WHERE ctid >= format('(%s,0)', page)\\:\\:tid
              AND ctid < format('(%s,0)', page + {PAGES_A_BATCH})\\:\\:tid AND {MISSING}
            FOR SHARE SKIP LOCKED
        );
        {ADD}
        page = page + {PAGES_A_BATCH};
    END LOOP;
    FOR missing IN SELECT id FROM knowledge_embeddings WHERE {MISSING} LOOP
        chunks = ARRAY(SELECT id FROM knowledge_embeddings WHERE id = missing FOR SHARE);
        {ADD}
    END LOOP;
END
$$
"""  # noqa: S608 -- only constants


def upgrade() -> None:
    """First the rows: an index is built faster over rows than with them."""
    run_in_batches(
        FILL,
        f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
        f"CREATE INDEX CONCURRENTLY {INDEX} ON knowledge_vectors (space)",
        "ANALYZE knowledge_spaces, knowledge_vectors",
    )


def downgrade() -> None:
    """The rows stay: 043 drops them with their table."""
    run_in_batches(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")

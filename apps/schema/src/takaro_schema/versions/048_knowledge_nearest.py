"""Finds the chunks of one space that are nearest to a vector: by comparing each, or by the space's own index.

A function, because only a function scopes the settings of an index scan in one round trip, also behind a
pooler in transaction mode, and keeps the planner from choosing: with these settings off, the one plan that is
left for ``ORDER BY embedding <#> query`` is the index, and ``+ 0`` keeps the index out of the other. STABLE,
so that it reads the same snapshot as the statement that calls it.

With a filter it reads the nearest ``most_tuples`` by the index. If fewer than were wanted pass, all chunks
that pass the filter are compared; some rows then come twice.
"""

from alembic import op

revision = "048"
down_revision = "047"
HOLDS = ("knowledge_spaces.ef_search",)

CREATE = """
CREATE FUNCTION knowledge_nearest(
    space integer, base text, base_version text, query halfvec, wanted integer, passing jsonpath,
    by_index boolean, ef_search integer, most_tuples integer
) RETURNS TABLE (chunk uuid, by_index_found boolean)
LANGUAGE plpgsql STABLE ROWS 50
SET search_path FROM CURRENT
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
SET enable_hashjoin = off SET enable_mergejoin = off
SET jit = off SET max_parallel_workers_per_gather = 0 SET plan_cache_mode = force_generic_plan
SET hnsw.iterative_scan = relaxed_order SET hnsw.ef_search = 40 SET hnsw.max_scan_tuples = 20000
AS $$
#variable_conflict use_column
DECLARE
    found_by_index integer;
BEGIN
    IF by_index THEN
        PERFORM set_config('hnsw.ef_search', ef_search\\:\\:text, true),
                set_config('hnsw.max_scan_tuples', most_tuples\\:\\:text, true);
        IF passing IS NULL THEN
            RETURN QUERY EXECUTE format(
                'SELECT chunk, true FROM knowledge_vectors WHERE space = %s '
                'ORDER BY embedding <#> $1 LIMIT $2',
                knowledge_nearest.space) USING query, wanted;
        ELSE
            RETURN QUERY EXECUTE format(
                'SELECT stored.chunk, true FROM ('
                '    SELECT chunk, embedding <#> $1 AS distance FROM knowledge_vectors '
                '    WHERE space = %s ORDER BY embedding <#> $1 LIMIT $5'
                ') AS stored JOIN knowledge_embeddings AS content ON content.id = stored.chunk '
                'WHERE content.knowledge_base_id = $4 AND content.metadata @@ $3 '
                'ORDER BY stored.distance LIMIT $2',
                knowledge_nearest.space) USING query, wanted, passing, base, most_tuples;
        END IF;
        GET DIAGNOSTICS found_by_index = ROW_COUNT;
        IF found_by_index >= wanted THEN
            RETURN;
        END IF;
    END IF;
    IF passing IS NULL THEN
        RETURN QUERY SELECT stored.chunk, false FROM knowledge_vectors AS stored
        WHERE stored.space = knowledge_nearest.space
        ORDER BY (stored.embedding <#> query) + 0, stored.chunk LIMIT wanted;
    ELSE
        RETURN QUERY SELECT stored.chunk, false
        FROM knowledge_embeddings AS content JOIN knowledge_vectors AS stored ON stored.chunk = content.id
        WHERE content.knowledge_base_id = base AND content.version = base_version
          AND content.metadata @@ passing AND stored.space = knowledge_nearest.space
        ORDER BY (stored.embedding <#> query) + 0, stored.chunk LIMIT wanted;
    END IF;
END
$$
"""


ADD_COLUMN = "ALTER TABLE knowledge_spaces ADD COLUMN ef_search integer"
"""What an index scan of this space needs to find what comparing all rows finds; ``NULL`` until it was
measured."""

DROP = """
DROP FUNCTION knowledge_nearest(
    integer, text, text, halfvec, integer, jsonpath, boolean, integer, integer
)
"""


def upgrade() -> None:
    op.execute(CREATE)
    op.execute(ADD_COLUMN)


def downgrade() -> None:
    op.execute("ALTER TABLE knowledge_spaces DROP COLUMN ef_search")
    op.execute(DROP)

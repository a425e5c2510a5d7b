"""A second copy of the chunks' vectors, in which a search of one base is fast: ``knowledge_vectors``.

``knowledge_embeddings`` has one HNSW index over the rows of every base. Inside one base it finds too
little, and comparing each row is slow, because a ``vector(1536)`` is stored out of line. Here a vector has
half the precision and is stored inline, two rows a page. Its length is 1, so the inner product is the
cosine.

``knowledge_spaces`` gives a version of a base a short number: an index of one base says ``WHERE space = 7``.

Triggers keep both in step, in the writer's transaction: of our syncs and of the Node application alike. A
trigger runs once a statement, however many rows it writes. Whoever writes rows holds their space's row, so
that it isn't deleted as empty meanwhile. The functions keep the search path that they were created with: a
session that inserts a vector as text need not have pgvector on its own.
"""

from alembic import op

revision = "043"
down_revision = "042"
HOLDS = ("knowledge_spaces", "knowledge_vectors")

# A session keeps a plan that it made while the tables were small.
BY_INDEX = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off"

VECTORS_OF_NEW_CHUNKS = """
        INSERT INTO knowledge_vectors (space, chunk, embedding)
        SELECT space.id, chunk.id, l2_normalize(chunk.embedding)\\:\\:halfvec(1536)
        FROM new_chunks AS chunk JOIN knowledge_spaces AS space
          ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
"""

UPGRADE = (
    """
    CREATE TABLE knowledge_spaces (
        id integer GENERATED ALWAYS AS IDENTITY,
        knowledge_base_id varchar(255) NOT NULL,
        version varchar(50) NOT NULL,
        CONSTRAINT knowledge_spaces_pkey PRIMARY KEY (id),
        CONSTRAINT knowledge_spaces_version_key UNIQUE (knowledge_base_id, version)
    )
    """,
    """
    CREATE TABLE knowledge_vectors (
        space integer NOT NULL,
        chunk uuid NOT NULL,
        embedding halfvec(1536) NOT NULL,
        CONSTRAINT knowledge_vectors_pkey PRIMARY KEY (chunk)
    )
    """,
    "ALTER TABLE knowledge_vectors ALTER COLUMN embedding SET STORAGE PLAIN",
    # The pairs must differ from each other. A space that is deleted between the two statements is added
    # again.
    f"""
    CREATE FUNCTION knowledge_open_spaces(bases text[], versions text[]) RETURNS void LANGUAGE plpgsql
    SET search_path FROM CURRENT {BY_INDEX} AS $$
    DECLARE
        held integer;
    BEGIN
        LOOP
            PERFORM FROM unnest(bases, versions) AS wanted (base, version)
                JOIN knowledge_spaces AS space
                  ON space.knowledge_base_id = wanted.base AND space.version = wanted.version
            ORDER BY space.id FOR KEY SHARE OF space;
            GET DIAGNOSTICS held = ROW_COUNT;
            EXIT WHEN held = coalesce(cardinality(bases), 0);
            INSERT INTO knowledge_spaces (knowledge_base_id, version)
            SELECT wanted.base, wanted.version FROM unnest(bases, versions) AS wanted (base, version)
            WHERE NOT EXISTS (
                SELECT FROM knowledge_spaces AS space
                WHERE space.knowledge_base_id = wanted.base AND space.version = wanted.version
            )
            ORDER BY 1, 2
            ON CONFLICT DO NOTHING;
        END LOOP;
    END
    $$
    """,  # noqa: S608 -- only constants
    """
    CREATE FUNCTION knowledge_spaces_open() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    BEGIN
        PERFORM knowledge_open_spaces(array_agg(knowledge_base_id), array_agg(version))
        FROM (SELECT DISTINCT knowledge_base_id, version FROM new_chunks) AS wanted;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION knowledge_vectors_add() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT {BY_INDEX} AS $$
    BEGIN {VECTORS_OF_NEW_CHUNKS};
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION knowledge_vectors_remove() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT {BY_INDEX} AS $$
    BEGIN
        DELETE FROM knowledge_vectors AS stored USING old_chunks AS chunk WHERE stored.chunk = chunk.id;
        RETURN NULL;
    END
    $$
    """,  # noqa: S608 -- only constants
    # Most updates change metadata only. EXECUTE plans for the number of rows of each statement. What is
    # missing is added: that may be a row from before this revision.
    f"""
    CREATE FUNCTION knowledge_vectors_change() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    BEGIN
        EXECUTE $sql$
        DELETE FROM knowledge_vectors AS stored
        USING old_chunks AS old LEFT JOIN new_chunks AS new ON new.id = old.id
        WHERE stored.chunk = old.id
          AND (new.id IS NULL OR (new.knowledge_base_id, new.version, new.embedding)
                                 IS DISTINCT FROM (old.knowledge_base_id, old.version, old.embedding))
        $sql$;
        EXECUTE $sql$ {VECTORS_OF_NEW_CHUNKS}
        WHERE NOT EXISTS (SELECT FROM knowledge_vectors AS stored WHERE stored.chunk = chunk.id)
        $sql$;
        RETURN NULL;
    END
    $$
    """,  # noqa: S608 -- only constants
    """
    CREATE FUNCTION knowledge_vectors_truncate() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    BEGIN
        TRUNCATE knowledge_vectors;
        RETURN NULL;
    END
    $$
    """,
    # Triggers run in the order of their names: the spaces are open when the vectors are added.
    """
    CREATE TRIGGER knowledge_spaces_opened AFTER INSERT ON knowledge_embeddings
    REFERENCING NEW TABLE AS new_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_spaces_open()
    """,
    """
    CREATE TRIGGER knowledge_spaces_opened_by_change AFTER UPDATE ON knowledge_embeddings
    REFERENCING NEW TABLE AS new_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_spaces_open()
    """,
    """
    CREATE TRIGGER knowledge_vectors_added AFTER INSERT ON knowledge_embeddings
    REFERENCING NEW TABLE AS new_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_vectors_add()
    """,
    """
    CREATE TRIGGER knowledge_vectors_changed AFTER UPDATE ON knowledge_embeddings
    REFERENCING OLD TABLE AS old_chunks NEW TABLE AS new_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_vectors_change()
    """,
    """
    CREATE TRIGGER knowledge_vectors_removed AFTER DELETE ON knowledge_embeddings
    REFERENCING OLD TABLE AS old_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_vectors_remove()
    """,
    """
    CREATE TRIGGER knowledge_vectors_truncated AFTER TRUNCATE ON knowledge_embeddings
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_vectors_truncate()
    """,
)

DOWNGRADE = (
    "DROP TRIGGER knowledge_vectors_truncated ON knowledge_embeddings",
    "DROP TRIGGER knowledge_vectors_removed ON knowledge_embeddings",
    "DROP TRIGGER knowledge_vectors_changed ON knowledge_embeddings",
    "DROP TRIGGER knowledge_vectors_added ON knowledge_embeddings",
    "DROP TRIGGER knowledge_spaces_opened_by_change ON knowledge_embeddings",
    "DROP TRIGGER knowledge_spaces_opened ON knowledge_embeddings",
    "DROP FUNCTION knowledge_vectors_truncate()",
    "DROP FUNCTION knowledge_vectors_change()",
    "DROP FUNCTION knowledge_vectors_remove()",
    "DROP FUNCTION knowledge_vectors_add()",
    "DROP FUNCTION knowledge_spaces_open()",
    "DROP FUNCTION knowledge_open_spaces(text[], text[])",
    "DROP TABLE knowledge_vectors",
    "DROP TABLE knowledge_spaces",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

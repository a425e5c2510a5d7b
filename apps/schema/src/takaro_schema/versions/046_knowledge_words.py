"""The words of chunks, for a search by text: ``knowledge_words``, beside ``knowledge_embeddings``.

A space has one language (``knowledge_word_spaces``), in which its chunks and the questions about it are
stemmed. With several, a question in one would miss chunks in another. It is chosen from the first chunks,
and again when there are four times as many, up to 1,000. A wrong one does little harm, because it cuts both
sides alike.

``knowledge_word_counts`` says how many chunks of a space have a word, if more than two. A statement that
adds a fifth or more counts again. Smaller ones do so now and then, with the probability that makes it as
frequent: a counter for each word would make writers wait for each other.

Triggers keep the words in step, in the writer's transaction, as 043 does for vectors. A space that 043's
keeper deletes takes its language and counts along.
"""

from alembic import op

revision = "046"
down_revision = "045"
HOLDS = ("knowledge_words", "knowledge_word_spaces", "knowledge_word_counts")

# The functions keep the search path that they were created with: a session may have another one. A session
# keeps a plan that it made while the tables were small. A word that is too long isn't worth a line.
WRITING = (
    "SET search_path FROM CURRENT SET enable_seqscan = off SET enable_hashjoin = off "
    "SET enable_mergejoin = off SET client_min_messages = warning"
)

TABLES = (
    # ``chunks`` is how many there were when their words were counted.
    """
    CREATE TABLE knowledge_word_spaces (
        space integer NOT NULL,
        language text NOT NULL,
        learnt_from integer NOT NULL,
        chunks integer NOT NULL DEFAULT 0,
        CONSTRAINT knowledge_word_spaces_pkey PRIMARY KEY (space)
    )
    """,
    """
    CREATE TABLE knowledge_word_counts (
        space integer NOT NULL,
        key integer NOT NULL,
        chunks integer NOT NULL,
        CONSTRAINT knowledge_word_counts_pkey PRIMARY KEY (space, key)
    )
    """,
    """
    CREATE TABLE knowledge_words (
        space integer NOT NULL,
        chunk uuid NOT NULL,
        keys integer[] NOT NULL,
        words sparsevec(536870912) NOT NULL,
        CONSTRAINT knowledge_words_pkey PRIMARY KEY (chunk)
    )
    """,
    "ALTER TABLE knowledge_words ALTER COLUMN keys SET STORAGE EXTERNAL, ALTER COLUMN words SET STORAGE MAIN",
)

COUNTING = (
    """
    CREATE FUNCTION knowledge_language_of_space(wanted integer) RETURNS text
    LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
        SELECT knowledge_language_of(coalesce(string_agg("left"(sample.content, 400), ' '), ''))
        FROM (
            SELECT chunk.content FROM knowledge_spaces AS space JOIN knowledge_embeddings AS chunk
              ON chunk.knowledge_base_id = space.knowledge_base_id AND chunk.version = space.version
            WHERE space.id = wanted ORDER BY chunk.id LIMIT 60
        ) AS sample
    $$
    """,
    # Two that count at once would wait for each other. Whoever adds words holds the language FOR KEY SHARE,
    # and only a change of the language conflicts with that. The change waits neither for them nor for those
    # who delete words, since they may wait for it later: it locks everything at once, or lets go of it, and
    # the next count tries again.
    f"""
    CREATE FUNCTION knowledge_words_count(wanted integer) RETURNS void LANGUAGE plpgsql {WRITING} AS $$
    DECLARE
        present integer;
        spoken text;
        heard text;
    BEGIN
        IF NOT pg_try_advisory_xact_lock(1801549412, wanted) THEN
            RETURN;
        END IF;
        SELECT count(*) INTO present FROM knowledge_words WHERE space = wanted;
        SELECT language INTO spoken FROM knowledge_word_spaces
        WHERE space = wanted AND learnt_from < 1000 AND learnt_from * 4 <= present;
        IF FOUND THEN
            heard = knowledge_language_of_space(wanted);
            IF heard = spoken THEN
                UPDATE knowledge_word_spaces SET learnt_from = present WHERE space = wanted;
            ELSE
                BEGIN
                    PERFORM FROM knowledge_word_spaces WHERE space = wanted FOR UPDATE NOWAIT;
                    PERFORM FROM knowledge_words WHERE space = wanted FOR UPDATE NOWAIT;
                    UPDATE knowledge_word_spaces SET language = heard, learnt_from = present
                    WHERE space = wanted;
                    UPDATE knowledge_words AS stored SET keys = found.keys, words = found.words
                    FROM knowledge_embeddings AS chunk
                    CROSS JOIN LATERAL knowledge_words_of(wanted, heard, chunk.content, chunk.metadata)
                        AS found
                    WHERE stored.space = wanted AND chunk.id = stored.chunk;
                EXCEPTION WHEN lock_not_available THEN
                    NULL;
                END;
            END IF;
        END IF;
        INSERT INTO knowledge_word_counts AS counted (space, key, chunks)
        SELECT wanted, key, count(*) FROM knowledge_words CROSS JOIN unnest(keys) AS key WHERE space = wanted
        GROUP BY key HAVING count(*) > 2
        ON CONFLICT (space, key) DO UPDATE SET chunks = excluded.chunks
        WHERE abs(excluded.chunks - counted.chunks) * 10 > counted.chunks;
        UPDATE knowledge_word_spaces SET chunks = present WHERE space = wanted;
    END
    $$
    """,  # noqa: S608 -- only constants
)

TRIGGERS = (
    # What is missing is added: that may be a row from before this revision.
    f"""
    CREATE FUNCTION knowledge_words_add() RETURNS trigger LANGUAGE plpgsql {WRITING} AS $$
    BEGIN
        INSERT INTO knowledge_word_spaces (space, language, learnt_from)
        SELECT space.id, knowledge_language_of_space(space.id), count(*)
        FROM new_chunks AS chunk JOIN knowledge_spaces AS space
          ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
        WHERE NOT EXISTS (SELECT FROM knowledge_word_spaces AS spoken WHERE spoken.space = space.id)
        GROUP BY space.id ORDER BY space.id
        ON CONFLICT DO NOTHING;
        PERFORM FROM knowledge_word_spaces WHERE space IN (
            SELECT space.id FROM new_chunks AS chunk JOIN knowledge_spaces AS space
              ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
        ) ORDER BY space FOR KEY SHARE;
        INSERT INTO knowledge_words (space, chunk, keys, words)
        SELECT spoken.space, chunk.id, found.keys, found.words
        FROM new_chunks AS chunk
        JOIN knowledge_spaces AS space
          ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
        JOIN knowledge_word_spaces AS spoken ON spoken.space = space.id
        CROSS JOIN LATERAL knowledge_words_of(space.id, spoken.language, chunk.content, chunk.metadata)
            AS found
        WHERE NOT EXISTS (SELECT FROM knowledge_words AS stored WHERE stored.chunk = chunk.id);
        PERFORM knowledge_words_count(spoken.space)
        FROM (
            SELECT space.id, count(*) AS fresh FROM new_chunks AS chunk JOIN knowledge_spaces AS space
              ON space.knowledge_base_id = chunk.knowledge_base_id AND space.version = chunk.version
            GROUP BY space.id ORDER BY space.id
        ) AS written JOIN knowledge_word_spaces AS spoken ON spoken.space = written.id
        WHERE spoken.chunks = 0 OR random() * greatest(spoken.chunks, 50) < 5 * written.fresh;
        RETURN NULL;
    END
    $$
    """,  # noqa: S608 -- only constants
    # EXECUTE plans for the number of rows of each statement.
    """
    CREATE FUNCTION knowledge_words_change() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
    BEGIN
        EXECUTE $sql$
        DELETE FROM knowledge_words AS stored
        USING old_chunks AS old LEFT JOIN new_chunks AS new ON new.id = old.id
        WHERE stored.chunk = old.id
          AND (new.id IS NULL
               OR (new.knowledge_base_id, new.version, new.content, new.metadata)
                   IS DISTINCT FROM (old.knowledge_base_id, old.version, old.content, old.metadata))
        $sql$;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION knowledge_words_remove() RETURNS trigger LANGUAGE plpgsql {WRITING} AS $$
    BEGIN
        DELETE FROM knowledge_words AS stored USING old_chunks AS chunk WHERE stored.chunk = chunk.id;
        RETURN NULL;
    END
    $$
    """,  # noqa: S608 -- only constants
    f"""
    CREATE FUNCTION knowledge_words_truncate() RETURNS trigger LANGUAGE plpgsql {WRITING} AS $$
    BEGIN
        TRUNCATE knowledge_words, knowledge_word_counts, knowledge_word_spaces;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE FUNCTION knowledge_words_forget() RETURNS trigger LANGUAGE plpgsql {WRITING} AS $$
    BEGIN
        DELETE FROM knowledge_word_counts AS counted USING old_spaces AS gone WHERE counted.space = gone.id;
        DELETE FROM knowledge_word_spaces AS spoken USING old_spaces AS gone WHERE spoken.space = gone.id;
        RETURN NULL;
    END
    $$
    """,  # noqa: S608 -- only constants
    # They run in the order of their names: the spaces of 043 are open by now.
    """
    CREATE TRIGGER knowledge_words_added AFTER INSERT ON knowledge_embeddings
    REFERENCING NEW TABLE AS new_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_add()
    """,
    """
    CREATE TRIGGER knowledge_words_changed AFTER UPDATE ON knowledge_embeddings
    REFERENCING OLD TABLE AS old_chunks NEW TABLE AS new_chunks
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_change()
    """,
    """
    CREATE TRIGGER knowledge_words_changed_added AFTER UPDATE ON knowledge_embeddings
    REFERENCING NEW TABLE AS new_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_add()
    """,
    """
    CREATE TRIGGER knowledge_words_removed AFTER DELETE ON knowledge_embeddings
    REFERENCING OLD TABLE AS old_chunks FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_remove()
    """,
    """
    CREATE TRIGGER knowledge_words_truncated AFTER TRUNCATE ON knowledge_embeddings
    FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_truncate()
    """,
    """
    CREATE TRIGGER knowledge_words_forgotten AFTER DELETE ON knowledge_spaces
    REFERENCING OLD TABLE AS old_spaces FOR EACH STATEMENT EXECUTE FUNCTION knowledge_words_forget()
    """,
)

DOWNGRADE = (
    "DROP TRIGGER knowledge_words_forgotten ON knowledge_spaces",
    "DROP TRIGGER knowledge_words_truncated ON knowledge_embeddings",
    "DROP TRIGGER knowledge_words_removed ON knowledge_embeddings",
    "DROP TRIGGER knowledge_words_changed_added ON knowledge_embeddings",
    "DROP TRIGGER knowledge_words_changed ON knowledge_embeddings",
    "DROP TRIGGER knowledge_words_added ON knowledge_embeddings",
    "DROP FUNCTION knowledge_words_forget()",
    "DROP FUNCTION knowledge_words_truncate()",
    "DROP FUNCTION knowledge_words_remove()",
    "DROP FUNCTION knowledge_words_change()",
    "DROP FUNCTION knowledge_words_add()",
    "DROP FUNCTION knowledge_words_count(integer)",
    "DROP FUNCTION knowledge_language_of_space(integer)",
    "DROP TABLE knowledge_words",
    "DROP TABLE knowledge_word_counts",
    "DROP TABLE knowledge_word_spaces",
)


def upgrade() -> None:
    for statement in (*TABLES, *COUNTING, *TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""The full-text index of messages: a row for each message, beside ``messages``.

A table of its own, because ``messages`` has no owner, and an index without the owner reads every user's
messages for a frequent word. So ``words`` holds a word for the owner too: ``@ `` and a hash of the user's id.
No text contains it, because no word has a space in it. The rows of ``messages`` stay as narrow as they are.

Indexing a message costs several times what storing it does. So a writer only puts it in a queue, by a trigger
that the Node application's inserts fire too, and chat indexes it a moment later. What is deleted or changed
leaves the index at once. A trigger runs once a statement, however many messages it writes. Deletions find
their rows by index always: a session keeps a plan that it made while the table was small.

``message_words`` knows 50,000 characters of a message, as many as a user's message may have: a ``tsvector``
ends at 1 MB. Scripts that are written without spaces become words of one character. Both functions are such
that Postgres inlines them: calling them costs half as much again as what they do.
"""

from alembic import op

revision = "034"
down_revision = "033"
HOLDS = ("message_search", "message_search_queue")

# Thai, Lao, Myanmar, Khmer, Chinese, Japanese.
UNSPACED = (
    r"[\u0E00-\u0EFF\u1000-\u109F\u1780-\u17FF\u2E80-\u2FDF\u3040-\u30FF\u31F0-\u31FF\u3400-\u4DBF"
    r"\u4E00-\u9FFF\uF900-\uFAFF\uFF66-\uFF9F\U00020000-\U0003FFFF]"
)

# A transaction that changes nothing of what can be found, or copies and moves the rows itself, says so.
UNLESS_KEPT = "WHEN (coalesce(current_setting('takaro.message_search', true), '') <> 'kept')"

UPGRADE = (
    """
    CREATE TABLE message_search (
        conversation_id uuid NOT NULL,
        sequence bigint NOT NULL,
        user_id varchar(255) NOT NULL,
        created_at timestamptz NOT NULL,
        words tsvector NOT NULL,
        CONSTRAINT message_search_pkey PRIMARY KEY (conversation_id, sequence)
    )
    """,
    """
    CREATE INDEX message_search_newest_index
        ON message_search (user_id, created_at, conversation_id, sequence)
    """,
    """
    CREATE TABLE message_search_queue (
        position bigint GENERATED ALWAYS AS IDENTITY,
        conversation_id uuid NOT NULL,
        sequence bigint NOT NULL,
        CONSTRAINT message_search_queue_pkey PRIMARY KEY (position)
    )
    """,
    # U+001F between the characters separates words, and U+001E for `<` keeps Postgres from passing over what
    # it takes for a tag. A highlight turns both back.
    rf"""
    CREATE FUNCTION message_search_text(content text) RETURNS text
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT CASE WHEN octet_length("left"(content, 50000)) = length("left"(content, 50000))
                    THEN translate("left"(content, 50000), '<', E'\x1e')
                    ELSE regexp_replace(translate("left"(content, 50000), '<', E'\x1e'),
                                        '({UNSPACED})', E'\x1f\\1\x1f', 'g') END
    $$
    """,
    """
    CREATE FUNCTION message_words(owner text, content text) RETURNS tsvector
    LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
        SELECT array_to_tsvector(ARRAY['@ ' || md5(owner)])
               || to_tsvector('simple', message_search_text(content))
    $$
    """,
    """
    CREATE FUNCTION messages_queue_for_search() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO message_search_queue (conversation_id, sequence)
        SELECT conversation_id, sequence FROM new_messages WHERE content <> '';
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE FUNCTION messages_drop_from_search() RETURNS trigger LANGUAGE plpgsql
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
    BEGIN
        DELETE FROM message_search AS s USING old_messages AS o
        WHERE s.conversation_id = o.conversation_id AND s.sequence = o.sequence;
        RETURN NULL;
    END
    $$
    """,
    f"""
    CREATE TRIGGER messages_searched AFTER INSERT ON messages REFERENCING NEW TABLE AS new_messages
    FOR EACH STATEMENT {UNLESS_KEPT} EXECUTE FUNCTION messages_queue_for_search()
    """,
    """
    CREATE TRIGGER messages_not_searched AFTER DELETE ON messages REFERENCING OLD TABLE AS old_messages
    FOR EACH STATEMENT EXECUTE FUNCTION messages_drop_from_search()
    """,
    f"""
    CREATE TRIGGER messages_changed_not_searched AFTER UPDATE ON messages
    REFERENCING OLD TABLE AS old_messages FOR EACH STATEMENT {UNLESS_KEPT}
    EXECUTE FUNCTION messages_drop_from_search()
    """,
    f"""
    CREATE TRIGGER messages_changed_searched AFTER UPDATE ON messages
    REFERENCING NEW TABLE AS new_messages FOR EACH STATEMENT {UNLESS_KEPT}
    EXECUTE FUNCTION messages_queue_for_search()
    """,
)

DOWNGRADE = (
    "DROP TRIGGER messages_changed_searched ON messages",
    "DROP TRIGGER messages_changed_not_searched ON messages",
    "DROP TRIGGER messages_not_searched ON messages",
    "DROP TRIGGER messages_searched ON messages",
    "DROP FUNCTION messages_drop_from_search()",
    "DROP FUNCTION messages_queue_for_search()",
    "DROP FUNCTION message_words(text, text)",
    "DROP FUNCTION message_search_text(text)",
    "DROP TABLE message_search_queue",
    "DROP TABLE message_search",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""Adds the messages from before 034 to the full-text index, in batches, then builds its GIN index.

After a kill it passes over what is there. A batch holds its conversations against deletion, so that no row is
added for a message that is gone; nobody else waits for it.
"""

from takaro_schema.batches import run_in_batches

revision = "035"
down_revision = "034"
HOLDS = ()

INDEX = "message_search_words_index"

# A batch is small and finds its rows by index; a word that is too long to be found isn't worth a line.
SETTINGS = ("enable_hashjoin = off", "enable_mergejoin = off", "client_min_messages = warning")

# The lock comes in a statement of its own: the insert sees which messages are left when it has it.
FILL = """
DO $$
DECLARE
    after_conversation uuid = '00000000-0000-0000-0000-000000000000';
    after_sequence bigint = -1;
    last_conversation uuid;
    last_sequence bigint;
BEGIN
    LOOP
        SELECT conversation_id, sequence INTO last_conversation, last_sequence
        FROM (
            SELECT conversation_id, sequence FROM messages
            WHERE (conversation_id, sequence) > (after_conversation, after_sequence)
            ORDER BY conversation_id, sequence LIMIT 2000
        ) AS batch
        ORDER BY conversation_id DESC, sequence DESC LIMIT 1;
        EXIT WHEN last_conversation IS NULL;
        PERFORM FROM conversations
        WHERE id IN (
            SELECT conversation_id FROM messages
            WHERE (conversation_id, sequence) > (after_conversation, after_sequence)
              AND (conversation_id, sequence) <= (last_conversation, last_sequence)
        )
        ORDER BY id FOR KEY SHARE;
        INSERT INTO message_search (conversation_id, sequence, user_id, created_at, words)
        SELECT m.conversation_id, m.sequence, c.user_id, coalesce(m.created_at, 'epoch'),
               message_words(c.user_id, m.content)
        FROM messages AS m JOIN conversations AS c ON c.id = m.conversation_id
        WHERE (m.conversation_id, m.sequence) > (after_conversation, after_sequence)
          AND (m.conversation_id, m.sequence) <= (last_conversation, last_sequence)
          AND c.user_id IS NOT NULL AND m.content <> ''
          AND NOT EXISTS (
              SELECT FROM message_search AS s
              WHERE s.conversation_id = m.conversation_id AND s.sequence = m.sequence
          )
        ORDER BY m.conversation_id, m.sequence
        ON CONFLICT (conversation_id, sequence) DO NOTHING;
        after_conversation = last_conversation;
        after_sequence = last_sequence;
        COMMIT;
    END LOOP;
END
$$
"""


def upgrade() -> None:
    """First the rows: an index is built faster over rows than with them.

    Without the list of pending entries, which each search would read: no writer waits for this index.
    """
    run_in_batches(
        *(f"SET {setting}" for setting in SETTINGS),
        FILL,
        *(f"RESET {setting.split()[0]}" for setting in SETTINGS),
        f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}",
        f"CREATE INDEX CONCURRENTLY {INDEX} ON message_search USING gin (words) WITH (fastupdate = off)",
    )


def downgrade() -> None:
    """The rows stay: 034 drops them with their table."""
    run_in_batches(f"DROP INDEX CONCURRENTLY IF EXISTS {INDEX}")

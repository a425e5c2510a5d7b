"""Numbers the messages from before 023 in the order in which they were read, a few thousand a transaction.

Writers of a conversation wait while a batch of its messages is numbered. After a kill it continues where it
stopped: a conversation counts as numbered once all of its messages are. New conversations begin at 0, and in
the end each message must have a place.
"""

from takaro_schema.batches import run_in_batches

revision = "025"
down_revision = "024"
HOLDS = ()

# The lock comes in a statement of its own: the next one sees what those wrote who held it before.
NUMBER = """
DO $$
DECLARE
    conversation_ids uuid[];
    last_id uuid = '00000000-0000-0000-0000-000000000000';
    numbered bigint;
    most CONSTANT bigint = 5000;
BEGIN
    LOOP
        SELECT array_agg(id ORDER BY id) INTO conversation_ids
        FROM (
            SELECT id FROM conversations WHERE message_sequence IS NULL AND id > last_id
            ORDER BY id LIMIT 100 FOR NO KEY UPDATE
        ) AS batch;
        EXIT WHEN conversation_ids IS NULL;
        UPDATE messages AS m SET sequence = n.sequence
        FROM (
            SELECT o.id,
                   b.last + row_number() OVER (PARTITION BY b.id ORDER BY o.created_at, o.id) AS sequence
            FROM (
                SELECT c.id, coalesce((
                    SELECT max(k.sequence) FROM messages AS k WHERE k.conversation_id = c.id
                ), 0) AS last
                FROM unnest(conversation_ids) AS c (id)
                OFFSET 0
            ) AS b
            JOIN messages AS o ON o.conversation_id = b.id AND o.sequence IS NULL
            ORDER BY b.id, o.created_at, o.id
            LIMIT most
        ) AS n
        WHERE m.id = n.id;
        GET DIAGNOSTICS numbered = ROW_COUNT;
        IF numbered < most THEN
            UPDATE conversations AS c
            SET message_sequence = coalesce((
                SELECT max(m.sequence) FROM messages AS m WHERE m.conversation_id = c.id
            ), 0)
            WHERE c.id = ANY (conversation_ids);
            last_id = conversation_ids[array_upper(conversation_ids, 1)];
        END IF;
        COMMIT;
    END LOOP;
END
$$
"""

# Unless a killed run has added it.
CHECK_NEW = """
DO $$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_constraint
        WHERE conrelid = CAST('messages' AS regclass) AND conname = 'messages_sequence_given'
    ) THEN
        ALTER TABLE messages ADD CONSTRAINT messages_sequence_given CHECK (sequence IS NOT NULL) NOT VALID;
    END IF;
END
$$
"""


def upgrade() -> None:
    """Number, then check: new messages at once, the others without holding anybody up."""
    run_in_batches(
        "ALTER TABLE conversations ALTER COLUMN message_sequence SET DEFAULT 0",
        NUMBER,
        CHECK_NEW,
        "ALTER TABLE messages VALIDATE CONSTRAINT messages_sequence_given",
    )


def downgrade() -> None:
    """Messages keep their places. One table after the other, as in 022."""
    run_in_batches(
        "ALTER TABLE messages DROP CONSTRAINT IF EXISTS messages_sequence_given",
        "ALTER TABLE conversations ALTER COLUMN message_sequence DROP DEFAULT",
    )

"""A message's place in its conversation: 1, 2, 3 …, given under the conversation's row lock, never again.

``conversations.message_sequence`` is the last one given. It is NULL in a conversation that 025 has yet to
number: until then its new messages have no place either, and 025 gives them one.

Chat of this release gives places itself, and says so with ``takaro.message_order = 'numbered'``. For the Node
application the trigger that takes the time takes the place too. Chat of the previous release says
``'caller'``. It changes the conversation in the statement that inserts, so a trigger before each row only
looks: at the last place given, and at the rows before it in the statement. A trigger after them records it.

Additive: the new column is nullable.
"""

from alembic import op

revision = "023"
down_revision = "022"
HOLDS = ("messages.sequence",)

ADD_COLUMN = "ALTER TABLE messages ADD COLUMN sequence bigint"

# As in 014, and the place. A writer that names its own place (a restore) keeps it, and what follows comes
# after it. Without a conversation the foreign key refuses the message.
TAKE_ORDER = """
    CREATE OR REPLACE FUNCTION messages_take_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        placed timestamptz;
        place bigint;
    BEGIN
        UPDATE conversations AS c
        SET last_message_at = greatest(
                CASE WHEN NEW.created_at IS NULL OR NEW.created_at = transaction_timestamp()
                     THEN clock_timestamp()
                     ELSE NEW.created_at
                END,
                coalesce(
                    c.last_message_at,
                    (SELECT max(m.created_at + interval '0')
                     FROM messages AS m WHERE m.conversation_id = c.id)
                ) + interval '1 microsecond'
            ),
            message_sequence = CASE
                WHEN NEW.sequence IS NULL THEN c.message_sequence + 1
                WHEN c.message_sequence IS NOT NULL THEN greatest(c.message_sequence, NEW.sequence)
            END
        WHERE c.id = NEW.conversation_id
        RETURNING c.last_message_at, c.message_sequence INTO placed, place;
        IF NEW.created_at IS NULL OR NEW.created_at = transaction_timestamp() THEN
            NEW.created_at := coalesce(placed, clock_timestamp());
        END IF;
        IF NEW.sequence IS NULL THEN
            NEW.sequence := CASE WHEN placed IS NULL THEN 0 ELSE place END;
        END IF;
        RETURN NEW;
    END
    $$
"""

TAKE_ORDER_TRIGGER = """
    CREATE OR REPLACE TRIGGER messages_order BEFORE INSERT ON messages
    FOR EACH ROW
    WHEN (coalesce(current_setting('takaro.message_order', true), '') NOT IN ('caller', 'numbered'))
    EXECUTE FUNCTION messages_take_order()
"""

PREVIOUS_RELEASE = (
    """
    CREATE FUNCTION messages_take_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        SELECT greatest(
            c.message_sequence, (SELECT max(m.sequence) FROM messages AS m WHERE m.conversation_id = c.id)
        ) + 1
        INTO NEW.sequence
        FROM conversations AS c
        WHERE c.id = NEW.conversation_id AND c.message_sequence IS NOT NULL;
        RETURN NEW;
    END
    $$
    """,
    """
    CREATE TRIGGER messages_sequence BEFORE INSERT ON messages
    FOR EACH ROW WHEN (current_setting('takaro.message_order', true) = 'caller' AND NEW.sequence IS NULL)
    EXECUTE FUNCTION messages_take_sequence()
    """,
    """
    CREATE FUNCTION messages_record_sequence() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE conversations SET message_sequence = NEW.sequence
        WHERE id = NEW.conversation_id AND message_sequence < NEW.sequence;
        RETURN NULL;
    END
    $$
    """,
    """
    CREATE TRIGGER messages_sequence_recorded AFTER INSERT ON messages
    FOR EACH ROW WHEN (current_setting('takaro.message_order', true) = 'caller' AND NEW.sequence IS NOT NULL)
    EXECUTE FUNCTION messages_record_sequence()
    """,
)

OLD_TAKE_ORDER = """
    CREATE OR REPLACE FUNCTION messages_take_order() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        placed timestamptz;
    BEGIN
        UPDATE conversations AS c
        SET last_message_at = greatest(
            CASE WHEN NEW.created_at IS NULL OR NEW.created_at = transaction_timestamp()
                 THEN clock_timestamp()
                 ELSE NEW.created_at
            END,
            coalesce(
                c.last_message_at,
                (SELECT max(m.created_at + interval '0') FROM messages AS m WHERE m.conversation_id = c.id)
            ) + interval '1 microsecond'
        )
        WHERE c.id = NEW.conversation_id
        RETURNING c.last_message_at INTO placed;
        IF NEW.created_at IS NULL OR NEW.created_at = transaction_timestamp() THEN
            NEW.created_at := coalesce(placed, clock_timestamp());
        END IF;
        RETURN NEW;
    END
    $$
"""

OLD_TRIGGER = """
    CREATE OR REPLACE TRIGGER messages_order BEFORE INSERT ON messages
    FOR EACH ROW WHEN (current_setting('takaro.message_order', true) IS DISTINCT FROM 'caller')
    EXECUTE FUNCTION messages_take_order()
"""


def upgrade() -> None:
    """Add the column, and the triggers that give places to other writers' messages."""
    for statement in (ADD_COLUMN, TAKE_ORDER, TAKE_ORDER_TRIGGER, *PREVIOUS_RELEASE):
        op.execute(statement)


def downgrade() -> None:
    """Drop the column; messages keep their times, which have the same order."""
    for statement in (
        "DROP TRIGGER messages_sequence_recorded ON messages",
        "DROP FUNCTION messages_record_sequence()",
        "DROP TRIGGER messages_sequence ON messages",
        "DROP FUNCTION messages_take_sequence()",
        OLD_TRIGGER,
        OLD_TAKE_ORDER,
        "ALTER TABLE messages DROP COLUMN sequence",
    ):
        op.execute(statement)

"""One total order of a conversation's messages for all writers; a sequence for each aggregate's facts.

Our own writers take `created_at` under the conversation's row lock, and say so with `takaro.message_order =
'caller'` for their transaction only. All other writers, above all the Node application, insert as before. The
trigger gives their messages the same promise: later than every message before.

Additive: every new column is nullable or has a constant default, so no table is rewritten and other programs'
inserts keep working.
"""

from alembic import op

revision = "014"
down_revision = "013"
branch_labels = None
depends_on = None
HOLDS = (
    "conversations.event_sequence",
    "conversations.state_version",
    "conversations.last_message_at",
    "messages.model",
    "custom_agents.event_sequence",
)

ADD_COLUMNS = (
    """
    ALTER TABLE conversations
        ADD COLUMN event_sequence bigint NOT NULL DEFAULT 0,
        ADD COLUMN state_version bigint NOT NULL DEFAULT 0,
        ADD COLUMN last_message_at timestamptz
    """,
    "ALTER TABLE messages ADD COLUMN model varchar(100)",
    "ALTER TABLE custom_agents ADD COLUMN event_sequence bigint NOT NULL DEFAULT 0",
    # Every message updates its conversation's row: room on the page keeps those updates out of the indexes.
    "ALTER TABLE conversations SET (fillfactor = 80)",
)

# `max(created_at + interval '0')`: a bare max() lets the planner walk messages_created_at_index backwards
# through the whole table in search of one old conversation. Only a conversation that was last written
# before this revision has no last_message_at.
# A writer that names its own created_at (a restore, an import) keeps it, and what follows comes after it.
CREATE_ORDER_FUNCTION = """
    CREATE FUNCTION messages_take_order() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE_ORDER_TRIGGER = """
    CREATE TRIGGER messages_order BEFORE INSERT ON messages
    FOR EACH ROW WHEN (current_setting('takaro.message_order', true) IS DISTINCT FROM 'caller')
    EXECUTE FUNCTION messages_take_order()
"""

# Another writer's change of the state must increment the version that our ETag shows.
CREATE_VERSION_FUNCTION = """
    CREATE FUNCTION conversations_count_state() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.state_version := OLD.state_version + 1;
        RETURN NEW;
    END
    $$
"""

CREATE_VERSION_TRIGGER = """
    CREATE TRIGGER conversations_state_version BEFORE UPDATE OF state ON conversations
    FOR EACH ROW WHEN (NEW.state IS DISTINCT FROM OLD.state AND NEW.state_version = OLD.state_version)
    EXECUTE FUNCTION conversations_count_state()
"""


def upgrade() -> None:
    """Add the columns, then the triggers that keep other writers in order."""
    for statement in (
        *ADD_COLUMNS,
        CREATE_ORDER_FUNCTION,
        CREATE_ORDER_TRIGGER,
        CREATE_VERSION_FUNCTION,
        CREATE_VERSION_TRIGGER,
    ):
        op.execute(statement)


def downgrade() -> None:
    """Drop the triggers and columns; messages keep their times."""
    for statement in (
        "DROP TRIGGER conversations_state_version ON conversations",
        "DROP FUNCTION conversations_count_state()",
        "DROP TRIGGER messages_order ON messages",
        "DROP FUNCTION messages_take_order()",
        "ALTER TABLE conversations RESET (fillfactor)",
        "ALTER TABLE custom_agents DROP COLUMN event_sequence",
        "ALTER TABLE messages DROP COLUMN model",
        """
        ALTER TABLE conversations
            DROP COLUMN last_message_at,
            DROP COLUMN state_version,
            DROP COLUMN event_sequence
        """,
    ):
        op.execute(statement)

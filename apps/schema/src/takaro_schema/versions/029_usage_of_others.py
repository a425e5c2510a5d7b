"""Counts the usage of every writer of messages that doesn't count it in its own statement.

Chat of this release does, and says so with ``takaro.usage = 'counted'``. For the Node application, chat of
the previous release and whoever else inserts messages, this trigger counts each of them.
"""

from alembic import op

revision = "029"
down_revision = "028"
HOLDS = ()

COUNT_USAGE = """
    CREATE FUNCTION messages_count_usage() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO chat_usage_entries (user_id, day, agent_id, model, messages, tokens)
        SELECT c.user_id, CAST(clock_timestamp() AT TIME ZONE 'UTC' AS date), c.agent_id,
               coalesce(NEW.model, ''), 1, greatest(coalesce(NEW.token_count, 0), 0)
        FROM conversations AS c
        WHERE c.id = NEW.conversation_id AND c.user_id IS NOT NULL;
        RETURN NULL;
    END
    $$
"""

TRIGGER = """
    CREATE TRIGGER messages_usage AFTER INSERT ON messages
    FOR EACH ROW WHEN (current_setting('takaro.usage', true) IS DISTINCT FROM 'counted')
    EXECUTE FUNCTION messages_count_usage()
"""


def upgrade() -> None:
    op.execute(COUNT_USAGE)
    op.execute(TRIGGER)


def downgrade() -> None:
    op.execute("DROP TRIGGER messages_usage ON messages")
    op.execute("DROP FUNCTION messages_count_usage()")

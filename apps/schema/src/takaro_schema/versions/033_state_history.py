"""The versions of each conversation's state: who made them, and when.

Chat of this release writes them together with the state, and says so with ``takaro.state_history = 'kept'``.
For the Node application, chat of the previous release and whoever else changes states, a trigger keeps them.
It can't know chat's settings, so it removes only what no setting can keep: 1,000 versions, 100 MB. The next
change by chat removes the rest.

``total`` adds up ``bytes`` over all versions of the conversation that were ever kept, so that a writer finds
what is over its limit without adding up.
"""

from alembic import op

revision = "033"
down_revision = "032"
HOLDS = ("chat_state_versions",)

CREATE_TABLE = """
    CREATE TABLE chat_state_versions (
        conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        version bigint NOT NULL,
        state jsonb NOT NULL,
        bytes integer NOT NULL,
        total bigint NOT NULL,
        user_id text,
        source text,
        changed_at timestamptz,
        PRIMARY KEY (conversation_id, version)
    )
"""
# Rows come in the order of their times, so that this index is small, and costs writers nearly nothing.
CREATE_INDEX = """
    CREATE INDEX chat_state_versions_changed_at_index ON chat_state_versions
    USING brin (changed_at) WITH (autosummarize = on)
"""

# The state before is kept too if nobody kept it: that of a conversation's creation has no row of its own.
KEEP_STATE = """
    CREATE FUNCTION conversations_keep_state() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last_version bigint;
        last_total bigint;
    BEGIN
        SELECT version, total INTO last_version, last_total
        FROM chat_state_versions WHERE conversation_id = NEW.id ORDER BY version DESC LIMIT 1;
        INSERT INTO chat_state_versions (conversation_id, version, state, bytes, total, changed_at)
        SELECT NEW.id, v.version, v.state, v.bytes,
               coalesce(last_total, 0) + sum(v.bytes) OVER (ORDER BY v.version), v.changed_at
        FROM (
            SELECT s.*, octet_length(CAST(s.state AS text)) AS bytes
            FROM (VALUES
                (OLD.state_version, coalesce(OLD.state, '{}'),
                 CASE WHEN OLD.state_version = 0 THEN OLD.created_at END),
                (NEW.state_version, coalesce(NEW.state, '{}'), clock_timestamp())
            ) AS s (version, state, changed_at)
            WHERE last_version IS NULL OR s.version > last_version
        ) AS v;
        DELETE FROM chat_state_versions
        WHERE conversation_id = NEW.id AND version <= NEW.state_version - 1000;
        DELETE FROM chat_state_versions AS kept
        USING (
            SELECT total FROM chat_state_versions WHERE conversation_id = NEW.id ORDER BY version DESC LIMIT 1
        ) AS newest
        WHERE kept.conversation_id = NEW.id AND kept.version < NEW.state_version
          AND kept.total - kept.bytes < newest.total - 100000000;
        RETURN NULL;
    END
    $$
"""

CREATE_TRIGGER = """
    CREATE TRIGGER conversations_state_history AFTER UPDATE OF state ON conversations
    FOR EACH ROW WHEN (
        NEW.state_version IS DISTINCT FROM OLD.state_version
        AND current_setting('takaro.state_history', true) IS DISTINCT FROM 'kept'
    )
    EXECUTE FUNCTION conversations_keep_state()
"""


def upgrade() -> None:
    for statement in (CREATE_TABLE, CREATE_INDEX, KEEP_STATE, CREATE_TRIGGER):
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TRIGGER conversations_state_history ON conversations")
    op.execute("DROP FUNCTION conversations_keep_state()")
    op.execute("DROP TABLE chat_state_versions")

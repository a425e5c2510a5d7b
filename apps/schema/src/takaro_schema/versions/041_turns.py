"""Turns of conversations: what a runtime works on, one at a time in each conversation.

The digest of the running turn's token stands at the conversation too, so that whoever appends messages or
changes the state finds it in the row that they lock anyway: a conversation without a running turn costs them
nothing.
"""

from alembic import op

revision = "041"
down_revision = "040"
HOLDS = ("chat_turns", "conversations.turn_token_sha256")

ADD_COLUMN = "ALTER TABLE conversations ADD COLUMN turn_token_sha256 text"

CREATE_TABLE = """
    CREATE TABLE chat_turns (
        id uuid PRIMARY KEY,
        conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
        number integer NOT NULL,
        state text NOT NULL CHECK (state IN (
            'requested', 'running', 'awaiting', 'finished', 'failed', 'cancelled', 'interrupted'
        )),
        through_sequence bigint NOT NULL,
        waiting_sequence bigint,
        runtime text,
        token_sha256 text,
        take_key_sha256 bytea,
        take_request_sha256 bytea,
        ttl_seconds integer,
        requested_at timestamptz NOT NULL,
        started_at timestamptz,
        expires_at timestamptz,
        ended_at timestamptz,
        awaiting jsonb,
        answer jsonb,
        usage jsonb,
        error text,
        UNIQUE (conversation_id, number)
    )
"""
INDEXES = (
    """CREATE UNIQUE INDEX chat_turns_requested_index ON chat_turns (conversation_id)
       WHERE state = 'requested'""",
    """CREATE UNIQUE INDEX chat_turns_running_index ON chat_turns (conversation_id)
       WHERE state IN ('running', 'awaiting')""",
    """CREATE INDEX chat_turns_expires_at_index ON chat_turns (expires_at)
       WHERE state IN ('running', 'awaiting')""",
    "CREATE INDEX chat_turns_ended_at_index ON chat_turns (ended_at) WHERE ended_at IS NOT NULL",
)


def upgrade() -> None:
    op.execute(ADD_COLUMN)
    op.execute(CREATE_TABLE)
    for index in INDEXES:
        op.execute(index)


def downgrade() -> None:
    op.execute("DROP TABLE chat_turns")
    op.execute("ALTER TABLE conversations DROP COLUMN turn_token_sha256")

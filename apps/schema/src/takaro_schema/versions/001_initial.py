"""Conversations and their messages."""

from alembic import op

revision = "001"
down_revision = None
HOLDS = ("conversations", "messages")

UPGRADE = (
    """
    CREATE TABLE conversations (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        agent_id varchar(100) NOT NULL,
        agent_version varchar(50) NOT NULL,
        user_id varchar(255),
        title varchar(255),
        metadata jsonb DEFAULT '{}'::jsonb,
        state jsonb DEFAULT '{}'::jsonb,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT conversations_pkey PRIMARY KEY (id)
    )
    """,
    "CREATE INDEX conversations_agent_id_index ON conversations (agent_id)",
    "CREATE INDEX conversations_user_id_index ON conversations (user_id)",
    "CREATE INDEX conversations_created_at_index ON conversations (created_at)",
    """
    CREATE TABLE messages (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        conversation_id uuid NOT NULL,
        role varchar(20) NOT NULL,
        content text NOT NULL,
        tool_calls jsonb,
        tool_results jsonb,
        token_count integer,
        latency_ms integer,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT messages_pkey PRIMARY KEY (id),
        CONSTRAINT messages_conversation_id_foreign
            FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX messages_conversation_id_index ON messages (conversation_id)",
    "CREATE INDEX messages_created_at_index ON messages (created_at)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE messages")
    op.execute("DROP TABLE conversations")

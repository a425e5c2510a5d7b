"""Users' own Claude tokens are dropped. A rollback recreates the table without its rows."""

from alembic import op

revision = "005"
down_revision = "004"
HOLDS = ()

DOWNGRADE = (
    """
    CREATE TABLE user_claude_tokens (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        user_id varchar(255) NOT NULL,
        access_token text NOT NULL,
        refresh_token text NOT NULL,
        expires_at timestamptz NOT NULL,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT user_claude_tokens_pkey PRIMARY KEY (id),
        CONSTRAINT user_claude_tokens_user_id_unique UNIQUE (user_id)
    )
    """,
    "CREATE INDEX user_claude_tokens_user_id_index ON user_claude_tokens (user_id)",
    "CREATE INDEX user_claude_tokens_expires_at_index ON user_claude_tokens (expires_at)",
)


def upgrade() -> None:
    op.execute("DROP TABLE user_claude_tokens")


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

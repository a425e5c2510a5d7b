"""What users have used: messages and tokens by user, agent, model and day.

Writers of messages only add rows to ``chat_usage_entries``, so that none waits for another; chat adds these
up in ``chat_usage``. Neither refers to conversations: usage survives their deletion.
"""

from alembic import op

revision = "028"
down_revision = "027"
HOLDS = ("chat_usage", "chat_usage_entries")

UPGRADE = (
    """
    CREATE TABLE chat_usage (
        user_id varchar(255) NOT NULL,
        day date NOT NULL,
        agent_id text NOT NULL,
        model text NOT NULL,
        messages bigint NOT NULL,
        tokens bigint NOT NULL,
        PRIMARY KEY (user_id, day, agent_id, model)
    )
    """,
    "CREATE INDEX chat_usage_day_index ON chat_usage (day)",
    """
    CREATE TABLE chat_usage_entries (
        user_id varchar(255) NOT NULL,
        day date NOT NULL,
        agent_id text NOT NULL,
        model text NOT NULL,
        messages bigint NOT NULL,
        tokens bigint NOT NULL
    )
    """,
    "CREATE INDEX chat_usage_entries_user_id_index ON chat_usage_entries (user_id)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE chat_usage_entries")
    op.execute("DROP TABLE chat_usage")

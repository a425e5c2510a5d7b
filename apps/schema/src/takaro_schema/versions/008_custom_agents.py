"""Agents that users configure themselves."""

from alembic import op

revision = "008"
down_revision = "007"
HOLDS = ("custom_agents",)

UPGRADE = (
    """
    CREATE TABLE custom_agents (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        user_id varchar(255) NOT NULL,
        name varchar(100) NOT NULL,
        description text,
        system_prompt text NOT NULL,
        tools jsonb DEFAULT '[]'::jsonb NOT NULL,
        knowledge_bases jsonb DEFAULT '[]'::jsonb NOT NULL,
        model varchar(100) NOT NULL,
        temperature numeric(3,2) DEFAULT 0.7,
        max_tokens integer DEFAULT 8192,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT custom_agents_pkey PRIMARY KEY (id),
        CONSTRAINT custom_agents_user_id_name_unique UNIQUE (user_id, name)
    )
    """,
    "CREATE INDEX custom_agents_user_id_index ON custom_agents (user_id)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE custom_agents")

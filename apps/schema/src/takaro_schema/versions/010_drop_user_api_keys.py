"""Users' API keys are dropped: the key comes from the environment. A rollback recreates the table without its
rows."""

from alembic import op

revision = "010"
down_revision = "009"
HOLDS = ()

DOWNGRADE = (
    """
    CREATE TABLE user_api_keys (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        user_id varchar(255) NOT NULL,
        provider varchar(50) NOT NULL,
        api_key text NOT NULL,
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT user_api_keys_pkey PRIMARY KEY (id),
        CONSTRAINT user_api_keys_user_id_provider_unique UNIQUE (user_id, provider)
    )
    """,
    "CREATE INDEX user_api_keys_user_id_index ON user_api_keys (user_id)",
)


def upgrade() -> None:
    op.execute("DROP TABLE user_api_keys")


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""Users' own API keys; 010 drops them again."""

from alembic import op

revision = "004"
down_revision = "003"
HOLDS = ("user_api_keys",)

UPGRADE = (
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
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE user_api_keys")

"""Mock game server sessions, one a conversation."""

from alembic import op

revision = "009"
down_revision = "008"
HOLDS = ("cockpit_sessions",)

UPGRADE = (
    """
    CREATE TABLE cockpit_sessions (
        id uuid DEFAULT gen_random_uuid() NOT NULL,
        conversation_id uuid NOT NULL,
        user_id varchar(255) NOT NULL,
        mock_server_game_server_id varchar(255),
        mock_server_status varchar(20) DEFAULT 'stopped' NOT NULL,
        selected_player_id varchar(255),
        created_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        updated_at timestamptz DEFAULT CURRENT_TIMESTAMP,
        CONSTRAINT cockpit_sessions_pkey PRIMARY KEY (id),
        CONSTRAINT cockpit_sessions_conversation_id_unique UNIQUE (conversation_id),
        CONSTRAINT cockpit_sessions_conversation_id_foreign
            FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX cockpit_sessions_user_id_index ON cockpit_sessions (user_id)",
    """
    CREATE INDEX cockpit_sessions_mock_server_game_server_id_index
        ON cockpit_sessions (mock_server_game_server_id)
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE cockpit_sessions")

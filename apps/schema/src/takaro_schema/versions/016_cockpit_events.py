"""Mock game servers whose whole state is a row, and the events of each session.

A game server outlives its session. The session is deleted with its conversation (cascade), but the server
must still be stopped, and the stop published. So ``cockpit_game_servers`` has no foreign key, and keeps a
copy of the session's last ``event_sequence``.

Additive: the new column of ``cockpit_sessions`` has a constant default, so no table is rewritten and other
programs' inserts keep working.
"""

from alembic import op

revision = "016"
down_revision = "015"
branch_labels = None
depends_on = None

HOLDS = ("cockpit_game_servers", "cockpit_events", "cockpit_sessions.event_sequence")

UPGRADE = (
    "ALTER TABLE cockpit_sessions ADD COLUMN event_sequence bigint NOT NULL DEFAULT 0",
    """
    CREATE TABLE cockpit_game_servers (
        user_id varchar(255) NOT NULL,
        session_id uuid,
        conversation_id uuid,
        game_server_id varchar(255) NOT NULL,
        status varchar(20) NOT NULL DEFAULT 'stopped',
        state jsonb NOT NULL,
        event_sequence bigint NOT NULL DEFAULT 0,
        next_tick_at timestamptz,
        created_at timestamptz NOT NULL DEFAULT now(),
        updated_at timestamptz NOT NULL DEFAULT now(),
        CONSTRAINT cockpit_game_servers_pkey PRIMARY KEY (user_id),
        CONSTRAINT cockpit_game_servers_session_id_unique UNIQUE (session_id)
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX cockpit_game_servers_conversation_id_index ON cockpit_game_servers (conversation_id)",
    """
    CREATE INDEX cockpit_game_servers_next_tick_at_index ON cockpit_game_servers (next_tick_at)
        WHERE next_tick_at IS NOT NULL
    """,
    """
    CREATE TABLE cockpit_events (
        id bigint GENERATED ALWAYS AS IDENTITY,
        session_id uuid NOT NULL,
        event_name varchar(50) NOT NULL,
        meta jsonb NOT NULL DEFAULT '{}',
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT cockpit_events_pkey PRIMARY KEY (id),
        CONSTRAINT cockpit_events_session_id_foreign
            FOREIGN KEY (session_id) REFERENCES cockpit_sessions (id) ON DELETE CASCADE
    )
    """,
    "CREATE INDEX cockpit_events_session_id_id_index ON cockpit_events (session_id, id)",
)

DOWNGRADE = (
    "DROP TABLE cockpit_events",
    "DROP TABLE cockpit_game_servers",
    "ALTER TABLE cockpit_sessions DROP COLUMN event_sequence",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""Connections of mock game servers to Takaro.

A server that connects is ``starting`` until Takaro has named it, and ``stopping`` until its socket is closed.
What happens in its game waits in ``cockpit_takaro_events`` until Takaro has it. ``cockpit_connections`` has
the cursor, which is the last event that Takaro has, and the lease of the process that holds the socket.

The checks aren't validated here, which would scan the tables under a lock: 051 does it. A stopped server may
have a session: the release before writes that when it meets one that is ``stopping``.
"""

from alembic import op

revision = "050"
down_revision = "049"
HOLDS = (
    "cockpit_connections",
    "cockpit_takaro_events",
    "cockpit_game_servers.connects",
    "cockpit_game_servers.status_since",
    "cockpit_sessions.mock_server_error",
)

UPGRADE = (
    "ALTER TABLE cockpit_sessions ADD COLUMN mock_server_error text",
    "ALTER TABLE cockpit_game_servers ADD COLUMN connects boolean NOT NULL DEFAULT false",
    "ALTER TABLE cockpit_game_servers ADD COLUMN status_since timestamptz NOT NULL DEFAULT now()",
    """
    ALTER TABLE cockpit_sessions ADD CONSTRAINT cockpit_sessions_mock_server_status_check
        CHECK (mock_server_status IN ('stopped', 'starting', 'running', 'stopping', 'error')) NOT VALID
    """,
    """
    ALTER TABLE cockpit_game_servers ADD CONSTRAINT cockpit_game_servers_status_check CHECK (
        status IN ('stopped', 'starting', 'running', 'stopping')
        AND (status = 'stopped' OR session_id IS NOT NULL)
        AND (status IN ('stopped', 'running') OR connects)
    ) NOT VALID
    """,
    """
    CREATE TABLE cockpit_connections (
        user_id varchar(255) NOT NULL,
        lease text NOT NULL,
        wanted boolean NOT NULL DEFAULT true,
        sent_through bigint NOT NULL DEFAULT 0,
        CONSTRAINT cockpit_connections_pkey PRIMARY KEY (user_id),
        CONSTRAINT cockpit_connections_user_id_foreign
            FOREIGN KEY (user_id) REFERENCES cockpit_game_servers (user_id) ON DELETE CASCADE
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX cockpit_connections_wanted_index ON cockpit_connections (user_id) WHERE wanted",
    """
    CREATE TABLE cockpit_takaro_events (
        user_id varchar(255) NOT NULL,
        id bigint GENERATED ALWAYS AS IDENTITY,
        name varchar(50) NOT NULL,
        data jsonb NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT cockpit_takaro_events_pkey PRIMARY KEY (user_id, id),
        CONSTRAINT cockpit_takaro_events_user_id_foreign
            FOREIGN KEY (user_id) REFERENCES cockpit_connections (user_id) ON DELETE CASCADE
    )
    """,
)

DOWNGRADE = (
    "DROP TABLE cockpit_takaro_events",
    "DROP TABLE cockpit_connections",
    "ALTER TABLE cockpit_game_servers DROP CONSTRAINT cockpit_game_servers_status_check",
    "ALTER TABLE cockpit_sessions DROP CONSTRAINT cockpit_sessions_mock_server_status_check",
    "ALTER TABLE cockpit_game_servers DROP COLUMN status_since",
    "ALTER TABLE cockpit_game_servers DROP COLUMN connects",
    "ALTER TABLE cockpit_sessions DROP COLUMN mock_server_error",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

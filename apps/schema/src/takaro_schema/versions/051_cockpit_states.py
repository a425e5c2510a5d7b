"""The checks of 050 hold for all rows, and the registration tokens of users' domains have a table.

A status that no program knows counts as ``stopped``. A token is encrypted by cockpit; the key isn't here.
"""

from alembic import op

revision = "051"
down_revision = "050"
HOLDS = ("cockpit_registration_tokens",)

UPGRADE = (
    """
    UPDATE cockpit_sessions SET mock_server_status = 'stopped'
    WHERE mock_server_status NOT IN ('stopped', 'starting', 'running', 'stopping', 'error')
    """,
    "ALTER TABLE cockpit_sessions VALIDATE CONSTRAINT cockpit_sessions_mock_server_status_check",
    "ALTER TABLE cockpit_game_servers VALIDATE CONSTRAINT cockpit_game_servers_status_check",
    """
    CREATE TABLE cockpit_registration_tokens (
        user_id varchar(255) NOT NULL,
        token bytea NOT NULL,
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT cockpit_registration_tokens_pkey PRIMARY KEY (user_id)
    )
    """,
)


DOWNGRADE = (
    "DROP TABLE cockpit_registration_tokens",
    "ALTER TABLE cockpit_sessions DROP CONSTRAINT cockpit_sessions_mock_server_status_check",
    """
    ALTER TABLE cockpit_sessions ADD CONSTRAINT cockpit_sessions_mock_server_status_check
        CHECK (mock_server_status IN ('stopped', 'starting', 'running', 'stopping', 'error')) NOT VALID
    """,
    "ALTER TABLE cockpit_game_servers DROP CONSTRAINT cockpit_game_servers_status_check",
    """
    ALTER TABLE cockpit_game_servers ADD CONSTRAINT cockpit_game_servers_status_check CHECK (
        status IN ('stopped', 'starting', 'running', 'stopping')
        AND (status = 'stopped' OR session_id IS NOT NULL)
        AND (status IN ('stopped', 'running') OR connects)
    ) NOT VALID
    """,
)
"""Nothing makes a valid constraint one that isn't, so each is made again as 050 did."""


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""Requests to erase a user: a row for each service, with what it has erased so far.

``user_id`` is there until the service has finished; the receipt that remains has only its SHA-256.
"""

from alembic import op

revision = "032"
down_revision = "031"
HOLDS = ("erasures",)

UPGRADE = (
    """
    CREATE TABLE erasures (
        id uuid NOT NULL,
        service text NOT NULL,
        user_id varchar(255),
        user_sha256 bytea NOT NULL,
        counts jsonb NOT NULL DEFAULT '{}',
        event_sequence bigint NOT NULL DEFAULT 0,
        requested_at timestamptz NOT NULL DEFAULT now(),
        finished_at timestamptz,
        PRIMARY KEY (id, service),
        CONSTRAINT erasures_finished_check CHECK ((user_id IS NULL) = (finished_at IS NOT NULL))
    )
    """,
    "CREATE UNIQUE INDEX erasures_user_id_service_index ON erasures (user_id, service)",
    "CREATE INDEX erasures_waiting_index ON erasures (service, requested_at) WHERE finished_at IS NULL",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE erasures")

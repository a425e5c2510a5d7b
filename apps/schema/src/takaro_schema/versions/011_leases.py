"""Leases: who owns a stream, the relay, a sync or a mock game server, and under which epoch."""

from alembic import op

revision = "011"
down_revision = "010"
HOLDS = ("leases",)


def upgrade() -> None:
    # Renewed every second or so: the free half of each page keeps renewals HOT.
    op.execute(
        """
        CREATE TABLE leases (
            name text PRIMARY KEY,
            owner text NOT NULL,
            epoch bigint NOT NULL,
            acquired_at timestamptz NOT NULL DEFAULT now(),
            expires_at timestamptz NOT NULL
        ) WITH (fillfactor = 50)
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE leases")

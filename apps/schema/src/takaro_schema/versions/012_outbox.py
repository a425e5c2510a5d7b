"""The transactional outbox, and the last sequence of subjects that no longer exist."""

from alembic import op

revision = "012"
down_revision = "011"
HOLDS = ("outbox", "retired_subjects")

UPGRADE = (
    # Published rows are deleted, so a fixed number of them triggers vacuum, not a share of a small table.
    """
    CREATE TABLE outbox (
        stream text NOT NULL,
        position bigint GENERATED ALWAYS AS IDENTITY,
        event_id uuid NOT NULL,
        type text NOT NULL,
        source text NOT NULL,
        subject text NOT NULL,
        sequence bigint NOT NULL,
        time timestamptz NOT NULL DEFAULT clock_timestamp(),
        traceparent text,
        data text NOT NULL,
        PRIMARY KEY (stream, position)
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000)
    """,
    # A recreated id continues counting where the deleted one stopped.
    """
    CREATE TABLE retired_subjects (
        subject text PRIMARY KEY,
        sequence bigint NOT NULL,
        retired_at timestamptz NOT NULL DEFAULT now()
    )
    """,
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE retired_subjects")
    op.execute("DROP TABLE outbox")

"""The inbox: which consumer has handled which event, committed with the event's effects."""

from alembic import op

revision = "013"
down_revision = "012"
HOLDS = ("inbox",)

UPGRADE = (
    """
    CREATE TABLE inbox (
        consumer text NOT NULL,
        key uuid NOT NULL,
        event_id text NOT NULL,
        source text NOT NULL,
        type text NOT NULL,
        digest bytea NOT NULL,
        outcome text NOT NULL DEFAULT 'handled',
        trace_id text,
        handled_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (consumer, key)
    )
    """,
    "CREATE INDEX inbox_handled_at_index ON inbox USING brin (handled_at)",
    "CREATE INDEX inbox_event_id_index ON inbox (event_id)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE inbox")

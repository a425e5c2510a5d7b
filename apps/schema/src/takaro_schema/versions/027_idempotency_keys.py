"""Answers to requests that had an ``Idempotency-Key``, committed with the effects of the request."""

from alembic import op

revision = "027"
down_revision = "026"
HOLDS = ("idempotency_keys",)

UPGRADE = (
    """
    CREATE TABLE idempotency_keys (
        service text NOT NULL,
        user_id varchar(255) NOT NULL,
        key text NOT NULL,
        digest bytea NOT NULL,
        status integer NOT NULL,
        headers jsonb NOT NULL,
        body bytea NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (service, user_id, key)
    )
    """,
    "CREATE INDEX idempotency_keys_created_at_index ON idempotency_keys USING brin (created_at)",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE idempotency_keys")

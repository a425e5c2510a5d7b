"""Which users and subjects were erased, by digests, and how far the erasing of their entries has come.

``erased_ids`` has the SHA-256 of users' ids, and of the subjects of their facts and commands. Who knows an id
can find out whether it was erased; nobody else learns it. ``erasures.streams`` counts erased entries by
stream; ``sweep`` is the place that a service has reached in the streams.
"""

from alembic import op

revision = "037"
down_revision = "036"
HOLDS = ("erased_ids", "erasures.streams", "erasures.sweep")

UPGRADE = (
    """
    CREATE TABLE erased_ids (
        digest bytea NOT NULL,
        erasure_id uuid NOT NULL,
        erased_at timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (digest)
    )
    """,
    """
    INSERT INTO erased_ids (digest, erasure_id, erased_at)
    SELECT DISTINCT ON (user_sha256) user_sha256, id, requested_at
    FROM erasures ORDER BY user_sha256, requested_at DESC
    """,
    "ALTER TABLE erasures ADD COLUMN streams jsonb NOT NULL DEFAULT '{}', ADD COLUMN sweep jsonb",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    op.execute("ALTER TABLE erasures DROP COLUMN sweep, DROP COLUMN streams")
    op.execute("DROP TABLE erased_ids")

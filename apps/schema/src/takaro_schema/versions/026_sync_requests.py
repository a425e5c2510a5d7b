"""Requests that confirm a removal, and what a run of a sync answers for the requests behind it.

``covers`` are the syncs that were requested before the run began, ``attempt`` is the run's number among those
of its job, and ``permanent`` says that a failed one would fail again. Nullable, because the previous release
continues to write without them.
"""

from alembic import op

revision = "026"
down_revision = "025"
HOLDS = (
    "knowledge_syncs.confirm_removal",
    "knowledge_syncs.covers",
    "knowledge_syncs.attempt",
    "knowledge_syncs.permanent",
)


def upgrade() -> None:
    op.execute(
        "ALTER TABLE knowledge_syncs ADD COLUMN confirm_removal boolean, ADD COLUMN covers uuid[], "
        "ADD COLUMN attempt integer, ADD COLUMN permanent boolean"
    )


def downgrade() -> None:
    op.execute(
        "ALTER TABLE knowledge_syncs DROP COLUMN permanent, DROP COLUMN attempt, DROP COLUMN covers, "
        "DROP COLUMN confirm_removal"
    )

"""An index on the few requested or unfinished syncs, in a history that grows.

Once a minute the unfinished syncs are checked, and each view of a base shows whether it is being synced.
"""

from takaro_schema.indexes import create_index_concurrently, drop_index_concurrently

revision = "018"
down_revision = "017"
branch_labels = None
depends_on = None

HOLDS = ()


def upgrade() -> None:
    create_index_concurrently(
        "knowledge_syncs_unfinished_index",
        "knowledge_syncs (knowledge_base_id) WHERE status IN ('requested', 'queued', 'running')",
    )


def downgrade() -> None:
    drop_index_concurrently("knowledge_syncs_unfinished_index")

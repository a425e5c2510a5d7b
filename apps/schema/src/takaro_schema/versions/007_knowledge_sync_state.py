"""The commit each knowledge base was last synced at."""

from alembic import op

revision = "007"
down_revision = "006"
HOLDS = ("knowledge_sync_state",)


def upgrade() -> None:
    op.execute(
        """
        CREATE TABLE knowledge_sync_state (
            knowledge_base_id varchar(255) NOT NULL,
            last_commit_sha varchar(40) NOT NULL,
            last_synced_at timestamptz DEFAULT CURRENT_TIMESTAMP,
            CONSTRAINT knowledge_sync_state_pkey PRIMARY KEY (knowledge_base_id)
        )
        """
    )


def downgrade() -> None:
    op.execute("DROP TABLE knowledge_sync_state")

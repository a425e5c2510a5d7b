"""Which model provider a conversation uses."""

from alembic import op

revision = "003"
down_revision = "002"
HOLDS = ("conversations.provider",)


def upgrade() -> None:
    op.execute("ALTER TABLE conversations ADD COLUMN provider varchar(50) DEFAULT 'openrouter' NOT NULL")


def downgrade() -> None:
    op.execute("ALTER TABLE conversations DROP COLUMN provider")

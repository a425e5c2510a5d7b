"""Why an event was rejected, in the inbox's record: its dead letter may be due after a restart.

Nullable, because the previous release continues to write without them.
"""

from alembic import op

revision = "020"
down_revision = "019"
HOLDS = ("inbox.code", "inbox.reason")


def upgrade() -> None:
    op.execute("ALTER TABLE inbox ADD COLUMN code text, ADD COLUMN reason text")


def downgrade() -> None:
    op.execute("ALTER TABLE inbox DROP COLUMN reason, DROP COLUMN code")

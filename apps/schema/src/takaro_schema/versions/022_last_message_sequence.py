"""The last place that was given to a message of a conversation: see 023.

A revision of its own: a deletion locks conversations before messages, and an insert messages before
conversations, so a transaction that changed both tables could deadlock with one of them.
"""

from alembic import op

revision = "022"
down_revision = "021"
HOLDS = ("conversations.message_sequence",)


def upgrade() -> None:
    op.execute("ALTER TABLE conversations ADD COLUMN message_sequence bigint")


def downgrade() -> None:
    op.execute("ALTER TABLE conversations DROP COLUMN message_sequence")

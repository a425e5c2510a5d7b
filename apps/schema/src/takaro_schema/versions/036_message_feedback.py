"""What a user thinks of an agent's message, and when a message was redacted.

Feedback is a column and no table: a conversation has one owner, who alone reads and rates its messages. So
there is one for each user and message. It comes with the message that a list reads anyway, and goes with it.
"""

from alembic import op

revision = "036"
down_revision = "035"
HOLDS = ("messages.feedback", "messages.redacted_at")


def upgrade() -> None:
    op.execute("ALTER TABLE messages ADD COLUMN feedback jsonb, ADD COLUMN redacted_at timestamptz")


def downgrade() -> None:
    op.execute("ALTER TABLE messages DROP COLUMN redacted_at, DROP COLUMN feedback")

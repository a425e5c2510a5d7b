"""The rest of W3C's trace context beside ``traceparent``: vendors' ``tracestate``, callers' ``baggage``.

Nullable, because the previous release continues to write without them.
"""

from alembic import op

revision = "021"
down_revision = "020"
HOLDS = ("outbox.tracestate", "outbox.baggage", "knowledge_syncs.tracestate", "knowledge_syncs.baggage")


def upgrade() -> None:
    op.execute("ALTER TABLE outbox ADD COLUMN tracestate text, ADD COLUMN baggage text")
    op.execute("ALTER TABLE knowledge_syncs ADD COLUMN tracestate text, ADD COLUMN baggage text")


def downgrade() -> None:
    op.execute("ALTER TABLE knowledge_syncs DROP COLUMN baggage, DROP COLUMN tracestate")
    op.execute("ALTER TABLE outbox DROP COLUMN baggage, DROP COLUMN tracestate")

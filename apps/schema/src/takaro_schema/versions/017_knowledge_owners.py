"""Knowledge: who owns a base and who sees it, schedules to remove, and what a sync's history shows.

A base without an owner is public: those of the settings file and of the Node application's jobs.
``knowledge_retired_schedules`` is an outbox: if a base is deleted or loses its schedule, its scheduler stays
in Redis until it is removed there too.
"""

from alembic import op

revision = "017"
down_revision = "016"
branch_labels = None
depends_on = None

HOLDS = (
    "knowledge_retired_schedules",
    "knowledge_bases.owner",
    "knowledge_bases.public",
    "knowledge_syncs.progress",
    "knowledge_syncs.files",
)

# NOT VALID: existing rows satisfy both checks, so nobody has to wait for a scan.
UPGRADE = (
    """
    ALTER TABLE knowledge_bases ADD COLUMN owner varchar(255),
        ADD COLUMN public boolean NOT NULL DEFAULT true
    """,
    """
    ALTER TABLE knowledge_bases ADD CONSTRAINT knowledge_bases_owner_check
        CHECK (public OR owner IS NOT NULL) NOT VALID
    """,
    "ALTER TABLE knowledge_syncs ADD COLUMN progress jsonb, ADD COLUMN files jsonb",
    # Widened, so readers and writers lose no guarantee.
    """
    -- squawk-ignore ban-drop-constraint
    ALTER TABLE knowledge_syncs DROP CONSTRAINT knowledge_syncs_reason_check
    """,
    """
    ALTER TABLE knowledge_syncs ADD CONSTRAINT knowledge_syncs_reason_check
        CHECK (reason IN ('http', 'command', 'startup', 'job', 'registry', 'schedule', 'webhook')) NOT VALID
    """,
    """
    CREATE TABLE knowledge_retired_schedules (
        knowledge_base_id varchar(255) PRIMARY KEY,
        retired_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
)

DOWNGRADE = (
    "DROP TABLE knowledge_retired_schedules",
    "ALTER TABLE knowledge_syncs DROP CONSTRAINT knowledge_syncs_reason_check",
    # The previous release knows these reasons by its own names.
    "UPDATE knowledge_syncs SET reason = 'job' WHERE reason = 'schedule'",
    "UPDATE knowledge_syncs SET reason = 'http' WHERE reason IN ('registry', 'webhook')",
    """
    ALTER TABLE knowledge_syncs ADD CONSTRAINT knowledge_syncs_reason_check
        CHECK (reason IN ('http', 'command', 'startup', 'job'))
    """,
    "ALTER TABLE knowledge_syncs DROP COLUMN files, DROP COLUMN progress",
    "ALTER TABLE knowledge_bases DROP COLUMN public, DROP COLUMN owner",
)


def upgrade() -> None:
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWNGRADE:
        op.execute(statement)

"""The SQL of the revisions as text, for a reviewer or a linter, without a database."""

import io

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext

from takaro_schema.scripts import Chain, load
from takaro_schema.settings import MigrationSettings


def render_sql(
    first: str,
    last: str | None = None,
    *,
    settings: MigrationSettings | None = None,
    chain: Chain | None = None,
) -> str:
    """What ``migrate`` runs from revision ``first`` to ``last`` (default: the head), without its records."""
    settings = settings or MigrationSettings()
    chain = chain or load()
    last = last or chain.head
    output = io.StringIO()
    output.write(f"SET lock_timeout = '{int(settings.lock_timeout_seconds * 1000)}ms';\n")
    output.write(f"SET statement_timeout = '{int(settings.statement_timeout_seconds * 1000)}ms';\n")
    context = MigrationContext.configure(
        dialect_name="postgresql",
        opts={
            "as_sql": True,
            "output_buffer": output,
            "transaction_per_migration": True,
            "literal_binds": True,
            "migration_settings": settings,
        },
    )
    with Operations.context(context):
        for revision in chain.revisions:
            if first <= revision.id <= last:
                context.impl.static_output(f"-- {revision.name}")
                with context.begin_transaction(_per_migration=True):
                    revision.script.module.upgrade()
    return output.getvalue()

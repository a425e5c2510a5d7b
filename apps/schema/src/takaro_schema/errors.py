"""Why a migration was not done: refused before anything changed, or failed on the way."""


class MigrationError(Exception):
    """Root of both. The message is for the operator: what is wrong and what to do."""


class MigrationRefused(MigrationError):
    """Nothing was changed by the step that was refused."""


class ForceNeeded(MigrationRefused):
    """A rollback would lose data, or leave knex's history wrong: only with ``--force``."""


class MigrationFailed(MigrationError):
    """A revision failed and was rolled back; those before it stay applied, and a rerun goes on from there."""

"""Why a migration wasn't done: refused before anything changed, or failed on the way."""


class MigrationError(Exception):
    """Base of these errors. The message tells the operator what is wrong and what to do."""


class MigrationRefused(MigrationError):
    """A step was refused, and changed nothing."""


class ForceNeeded(MigrationRefused):
    """A rollback would lose data or make knex's history wrong, which needs ``--force``."""


class MigrationFailed(MigrationError):
    """A revision failed and was rolled back. Those before it stay applied; a rerun continues from there."""

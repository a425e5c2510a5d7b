"""SQL around the content of a base. Functions take a connection, run one statement and never commit."""

from asyncpg import Record

from backbone import names
from common.postgres import Connection

LOCK_BASE = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


async def lock_base(connection: Connection, base_id: str) -> None:
    """Serialises writers of a base's rows until the end of the transaction."""
    await connection.execute(LOCK_BASE, names.sync_lease(base_id))


SET_STATEMENT_TIMEOUT = "SELECT set_config('statement_timeout', $1, true)"


async def set_statement_timeout(connection: Connection, seconds: float) -> None:
    """For this transaction only: writing to an HNSW index takes milliseconds a row."""
    await connection.execute(SET_STATEMENT_TIMEOUT, str(int(seconds * 1000)))


GET_PGVECTOR = """
SELECT extension.extversion AS version, schema.nspname AS schema, to_regtype('vector') IS NOT NULL AS usable
FROM pg_extension AS extension JOIN pg_namespace AS schema ON schema.oid = extension.extnamespace
WHERE extension.extname = 'vector'
"""


async def get_pgvector(connection: Connection) -> Record | None:
    """pgvector's version and schema, and whether this role can use its type; ``None`` if there is none."""
    return await connection.fetchrow(GET_PGVECTOR)

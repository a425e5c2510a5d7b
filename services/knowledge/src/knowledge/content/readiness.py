"""Whether pgvector can be used."""

from common.postgres import Pool
from common.readiness import CHECK_SECONDS, NotReady
from knowledge.content.repository import get_pgvector

NEEDED = (0, 8)
"""The first version whose index scans go on until enough rows of a base are found."""


async def check_pgvector(pool: Pool) -> str:
    """pgvector's version. Raises :class:`NotReady` if it is missing, too old, or out of this role's reach."""
    async with pool.acquire(timeout=CHECK_SECONDS) as connection:
        found = await get_pgvector(connection)
    if found is None or not found["usable"]:
        # Connections that were opened before the extension was there don't have its schema on their path.
        await pool.expire_connections()
    if found is None:
        raise NotReady("the database has no extension vector: run `takaro migrate`")
    version, schema = found["version"], found["schema"]
    if not found["usable"]:
        raise NotReady(f"this role can't use the extension vector: GRANT USAGE ON SCHEMA {schema} to it")
    if tuple(int(part) for part in version.split(".")[:2]) < NEEDED:
        raise NotReady(f"pgvector is {version}, knowledge needs 0.8: ALTER EXTENSION vector UPDATE")
    return f"{version} in {schema}"

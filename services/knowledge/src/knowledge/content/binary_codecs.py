"""Codecs for binary COPY, which the text codec of ``jsonb`` can't serve."""

from typing import Any, cast
from weakref import WeakSet

from pgvector.asyncpg import register_vector

from common import codec
from common.postgres import Connection

_JSONB_VERSION = b"\x01"

GET_VECTOR_SCHEMA = """
SELECT schema.nspname FROM pg_type AS type JOIN pg_namespace AS schema ON schema.oid = type.typnamespace
WHERE type.oid = 'vector'::regtype
"""
"""Fails if no schema on the search path holds pgvector."""

_prepared: WeakSet[Any] = WeakSet()


async def register_binary(connection: Connection) -> None:
    """Register pgvector's types and binary ``jsonb`` on ``connection``. Only once for each connection,
    because it costs round trips and asyncpg's statement cache."""
    of_the_pool = getattr(connection, "_con", connection)  # a pool returns proxies
    if of_the_pool in _prepared:
        return
    schema = await connection.fetchval(GET_VECTOR_SCHEMA)
    await register_vector(cast("Any", connection), schema=schema)
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB_VERSION + codec.dumps(value),
        decoder=lambda raw: codec.loads(raw[1:]),
        format="binary",
    )
    _prepared.add(of_the_pool)

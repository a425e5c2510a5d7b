"""Codecs for binary COPY, which the text codec of ``jsonb`` can't serve."""

from typing import Any, cast
from weakref import WeakSet

from pgvector.asyncpg import register_vector

from common import codec
from common.postgres import Connection

_JSONB_VERSION = b"\x01"

_prepared: WeakSet[Any] = WeakSet()


async def register_binary(connection: Connection) -> None:
    """Register pgvector's types and binary ``jsonb`` on ``connection``. Only once for each connection,
    because it costs round trips and asyncpg's statement cache."""
    of_the_pool = getattr(connection, "_con", connection)  # a pool returns proxies
    if of_the_pool in _prepared:
        return
    await register_vector(cast("Any", connection))
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB_VERSION + codec.dumps(value),
        decoder=lambda raw: codec.loads(raw[1:]),
        format="binary",
    )
    _prepared.add(of_the_pool)

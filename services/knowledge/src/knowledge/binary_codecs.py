"""Codecs for binary COPY, which the text codec of ``jsonb`` can't serve."""

from typing import Any, cast

from pgvector.asyncpg import register_vector

from common import codec
from common.postgres import Connection

_JSONB_VERSION = b"\x01"


async def register_binary(connection: Connection) -> None:
    """Teach ``connection`` pgvector's types, and ``jsonb`` in its binary form."""
    await register_vector(cast("Any", connection))
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: _JSONB_VERSION + codec.dumps(value),
        decoder=lambda raw: codec.loads(raw[1:]),
        format="binary",
    )

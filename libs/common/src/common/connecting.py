"""Opens a connection to Postgres: which host, and what each session is told.

Session settings are set after connecting, not in the startup message: PgBouncer refuses a startup message
with parameters that it doesn't know.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import asyncpg

from common.database_url import parse

CONNECT_SECONDS = 5.0
"""For each host, unless ``connect_timeout`` of the URL says otherwise."""

SESSION_SETTINGS = {"default_transaction_isolation": "read committed"}
"""What each session is told, so that no default of a server, a database or a role applies. Our statements
rely on READ COMMITTED, in transactions and alone."""

_NEXT_HOST = (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.TargetServerAttributeNotMatched)

SET_SESSION = """
SELECT set_config(name, value, false) FROM unnest($1::text[], $2::text[]) AS given (name, value)
"""
VECTOR_SCHEMA = """
SELECT set_config(
    'search_path',
    concat_ws(', ', nullif(current_setting('search_path'), ''), quote_ident(schema.nspname)),
    false
)
FROM pg_extension AS extension JOIN pg_namespace AS schema ON schema.oid = extension.extnamespace
WHERE extension.extname = 'vector' AND schema.nspname <> ALL (current_schemas(true))
"""
"""Appends the schema of pgvector to the search path, so that its types and operators are found wherever an
operator has installed it."""


async def connect(
    url: str,
    *,
    application: str,
    command_timeout: float,
    session: Mapping[str, str] | None = None,
    **arguments: Any,
) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection to the first host that takes it, with ``session`` set and pgvector on its search path.

    ``application_name`` of the URL wins over ``application``. ``arguments`` are asyncpg's. Raises the
    last host's error.
    """
    address = parse(url)
    options = address.asyncpg_arguments() | arguments
    options["server_settings"] = {"application_name": application, "timezone": "UTC"} | options[
        "server_settings"
    ]
    options |= {"timeout": address.connect_timeout or CONNECT_SECONDS, "command_timeout": command_timeout}
    connection: asyncpg.Connection[asyncpg.Record] | None = None
    places: list[tuple[str | None, int | None]] = list(address.hosts) or [(None, None)]
    for host, port in places:
        try:
            connection = await asyncpg.connect(host=host, port=port, **options)
            break
        except _NEXT_HOST:
            if (host, port) == places[-1]:
                raise
    assert connection is not None
    try:
        async with asyncio.timeout(options["timeout"]):
            await _begin_session(connection, session or {})
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _begin_session(
    connection: "asyncpg.Connection[asyncpg.Record]", session: Mapping[str, str]
) -> None:
    settings = SESSION_SETTINGS | dict(session)
    await connection.execute(SET_SESSION, list(settings), list(settings.values()))
    await connection.execute(VECTOR_SCHEMA)

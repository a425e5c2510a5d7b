"""What a connection does in the database. Each function is one transaction, fenced by the connection's lease.

So a process that was frozen past its lease changes nothing and publishes nothing.
"""

from collections.abc import Mapping
from typing import Any

from backbone.leases import Lease
from cockpit.servers.connected import (
    READING,
    answer_request,
    become_failed,
    become_named,
    become_stopped,
    read_for_request,
)
from common.postgres import Pool, transaction, tried_again


async def answer(pool: Pool, lease: Lease, user_id: str, action: str, args: Mapping[str, Any]) -> Any:
    """The payload for a request of Takaro's. Raises as :func:`~cockpit.servers.connected.answer_request`, and
    :class:`~backbone.leases.LeaseLost`."""
    if action in READING:
        async with pool.acquire() as connection:
            return await read_for_request(connection, user_id, action, args)
    return await _change(pool, lease, user_id, action, args)


@tried_again
async def _change(pool: Pool, lease: Lease, user_id: str, action: str, args: Mapping[str, Any]) -> Any:
    async with transaction(pool) as connection:
        await lease.hold(connection)
        return await answer_request(connection, user_id, action, args)


@tried_again
async def note_named(pool: Pool, lease: Lease, user_id: str, game_server_id: str) -> None:
    """Takaro calls the server so."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await become_named(connection, user_id, game_server_id)


@tried_again
async def note_failed(pool: Pool, lease: Lease, user_id: str, detail: str) -> None:
    """Takaro refused the server, or can't be reached in time."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await become_failed(connection, user_id, detail)


@tried_again
async def note_closed(pool: Pool, lease: Lease, user_id: str) -> None:
    """The socket of a server that stops is closed."""
    async with transaction(pool) as connection:
        await lease.hold(connection)
        await become_stopped(connection, user_id)

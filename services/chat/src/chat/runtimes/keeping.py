"""Interrupts turns whose runtimes weren't heard of in time, and removes old ones, in the background."""

import asyncio
from uuid import UUID

import asyncpg
import structlog
from opentelemetry.instrumentation.utils import suppress_instrumentation

from backbone.leases import Fence, Lease, LeaseKeeper, LeaseLost
from backbone.names import TURNS_LEASE
from chat.conversations.use_cases import lock_conversations
from chat.messages.turn_ending import held_turns
from chat.runtimes.records import Keeping
from chat.turns import ended_repository as repository
from chat.turns import piece_repository
from common.errors import is_transient
from common.postgres import Pool, transaction, tried_again

log = structlog.get_logger()

LOOK_SECONDS = 0.5
EXPIRED_AT_ONCE = 100
REMOVE_SECONDS = 600.0
OLD_AT_ONCE = 1_000


async def keep_turns(pool: Pool, keeping: Keeping, instance: str, ttl_seconds: float) -> None:
    """Interrupt expired turns within about a second, and remove old ones, and what they have shown, within
    ten minutes; in one process at a time, until cancelled."""

    async def work(lease: Lease) -> None:
        with suppress_instrumentation():
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(interrupt_all_expired(pool, lease))
                    both.create_task(_remove(pool, keeping, lease))
            except ExceptionGroup as group:
                # An outage, or a lease that was lost, is known by its own type.
                raise group.exceptions[0] from None

    await LeaseKeeper(pool, TURNS_LEASE, instance, ttl_seconds).run(work)


async def interrupt_all_expired(pool: Pool, fence: Fence) -> None:
    """Interrupt each turn soon after its time is over, until cancelled. Raises :class:`LeaseLost`, and the
    error of a database that is away."""
    while True:
        async with pool.acquire() as connection:
            expired = await repository.list_expired(connection, EXPIRED_AT_ONCE)
        for conversation_id in expired:
            try:
                await interrupt_expired(pool, fence, conversation_id)
            except asyncpg.LockNotAvailableError as error:  # who holds it may interrupt it; others don't wait
                log.warning("turn not interrupted yet", conversation=str(conversation_id), error=repr(error))
            except Exception as error:
                if is_transient(error) or isinstance(error, LeaseLost):
                    raise
                # One that can't be interrupted mustn't keep the others running.
                log.exception("turn not interrupted", conversation=str(conversation_id))
        if len(expired) < EXPIRED_AT_ONCE:
            await asyncio.sleep(LOOK_SECONDS)


@tried_again
async def interrupt_expired(pool: Pool, fence: Fence, conversation_id: UUID) -> None:
    """Interrupt the turn of a conversation, if it wasn't renewed in time."""
    async with transaction(pool) as connection:
        await fence.hold(connection)
        await lock_conversations(connection, [conversation_id], deletes=False)
        await held_turns(connection, [conversation_id])


async def _remove(pool: Pool, keeping: Keeping, fence: Fence) -> None:
    while True:
        pieces = await remove_old_pieces(pool, fence, keeping.piece_hours)
        turns = await remove_old(pool, fence, keeping.days)
        if max(pieces, turns) < OLD_AT_ONCE:
            await asyncio.sleep(REMOVE_SECONDS)


@tried_again
async def remove_old_pieces(pool: Pool, fence: Fence, hours: int) -> int:
    """Remove some rows of what turns have shown that ended so long ago. Returns their number."""
    async with transaction(pool) as connection:
        await fence.hold(connection)
        return await piece_repository.delete_old_pieces(connection, hours, OLD_AT_ONCE)


@tried_again
async def remove_old(pool: Pool, fence: Fence, days: int) -> int:
    """Remove some turns that ended so long ago. Returns their number."""
    async with transaction(pool) as connection:
        await fence.hold(connection)
        return await repository.delete_old(connection, days, OLD_AT_ONCE)

"""The lease of a base: only its holder writes the base's content."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from backbone import names
from backbone.leases import Held, LeaseTaken, held
from common.postgres import Pool
from knowledge.waiting.later import Later


class BaseBusy(Later):
    """Another sync of this base is running."""

    default_code = "sync_running"
    longest_pause = 2.0


@asynccontextmanager
async def hold_base(pool: Pool, base_id: str, owner: str, ttl_seconds: float) -> AsyncIterator[Held]:
    """Hold the lease of ``base_id`` for ``owner``, which must be unique to this run. Raises :class:`BaseBusy`
    at once while another run holds it."""
    async with AsyncExitStack() as stack:
        try:
            holding = await stack.enter_async_context(
                held(pool, names.sync_lease(base_id), owner, ttl_seconds)
            )
        except LeaseTaken as error:
            raise BaseBusy(f"another sync of {base_id} is running") from error
        yield holding

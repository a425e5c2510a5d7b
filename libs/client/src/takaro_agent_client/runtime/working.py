"""Works on one turn, from its taking to its end."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.errors import ClientError
from takaro_agent_client.models import TakenTurn
from takaro_agent_client.operations import turns
from takaro_agent_client.runtime.cancelling import cancel
from takaro_agent_client.runtime.lease import Lease, TurnOver, is_over
from takaro_agent_client.runtime.sending import Sender
from takaro_agent_client.runtime.turn import Turn

log = logging.getLogger(__name__)

HAND_OVER_SECONDS = 1
"""So long a turn that is given back is still held."""
PATIENCE_SECONDS = 5.0
CLEANING_SECONDS = 10.0
"""For the answering code to close what it has open, before it is cancelled once more."""


async def work(
    client: AsyncClient, taken: TakenTurn, ttl_seconds: int, answer: Callable[[Turn], Awaitable[object]]
) -> None:
    """Let ``answer`` answer. Ends the turn, unless it is over by then.

    When this is cancelled, the turn is given back: it is interrupted within about a second, and another
    runtime may go on.
    """
    lease = Lease(client, taken, ttl_seconds)
    sender = Sender(client, partial(turns.send_pieces, taken.conversation_id, taken.turn_id, taken.token))
    turn = Turn(client, taken, lease, sender)
    working = asyncio.create_task(_answered(turn, answer))
    beside = [
        asyncio.create_task(lease.keep()),
        asyncio.create_task(_sent(sender, lease)),
    ]
    over = asyncio.create_task(lease.over())
    try:
        await asyncio.wait({working, over}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            log.info("turn %s is %s", taken.turn_id, lease.reason)
    except asyncio.CancelledError:
        await cancel([working], again_seconds=CLEANING_SECONDS)
        if not turn.ended and lease.reason is None:
            with suppress(ClientError, TimeoutError):
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await lease.renew(HAND_OVER_SECONDS)
        raise
    finally:
        await cancel([working], again_seconds=CLEANING_SECONDS)
        await cancel([over, *beside])


async def _answered(turn: Turn, answer: Callable[[Turn], Awaitable[object]]) -> None:
    """Answer, and end the turn. Raises nothing but what cancels it."""
    try:
        try:
            await answer(turn)
            if not turn.ended:
                await turn.finish()
        except TurnOver:
            raise
        except Exception as error:
            log.exception("turn %s fails", turn.taken.turn_id)
            if not turn.ended:
                await turn.fail(f"{type(error).__name__}: {error}")
    except TurnOver as over:
        log.info("turn %s is %s", turn.taken.turn_id, over.reason)
    except ClientError:
        log.exception("turn %s can't be ended", turn.taken.turn_id)


async def _sent(sender: Sender, lease: Lease) -> None:
    """Send pieces, until the turn is over. Another refusal is raised by the next piece."""
    await sender.run()
    if sender.failure is not None and is_over(sender.failure):
        await lease.end_as_told()

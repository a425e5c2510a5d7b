"""Takes a turn, unless another runtime was faster or nothing is left to answer."""

import asyncio
import logging
from collections.abc import Sequence
from typing import TypeVar
from uuid import uuid4

from contracts.chat import AnnounceAgent
from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.calls import Call
from takaro_agent_client.errors import ClientError, NotAuthenticated, Refused
from takaro_agent_client.models import TakenTurn
from takaro_agent_client.operations import turns
from takaro_agent_client.retries import passes
from takaro_agent_client.runtime.choosing import Waiting, serves

log = logging.getLogger(__name__)
T = TypeVar("T")

ATTEMPTS = 3
"""A question that has interrupted so many turns in a row, each with the runtime that died, is given up."""


async def take(
    client: AsyncClient, waiting: Waiting, agents: Sequence[AnnounceAgent], ttl_seconds: int
) -> TakenTurn | None:
    """The turn, or ``None`` if it isn't ours. Waits for as long as chat is away."""
    try:
        if not waiting.interrupted:
            asked = turns.take(waiting.conversation_id, turn_id=waiting.turn_id, ttl_seconds=ttl_seconds)
            return await _patiently(client, asked)
        return await _take_after(client, waiting, agents, ttl_seconds)
    except Refused as error:  # as it should be: another one was faster, or it is another agent's
        log.debug("turn %s isn't taken: %s", waiting.turn_id, error)
    except ClientError:
        log.exception("turn %s can't be taken", waiting.turn_id)
    return None


async def _take_after(
    client: AsyncClient, waiting: Waiting, agents: Sequence[AnnounceAgent], ttl_seconds: int
) -> TakenTurn | None:
    """The next turn after one that was interrupted, if nobody has taken it yet."""
    id = waiting.conversation_id
    newest = (await _patiently(client, turns.listing(id).page(ATTEMPTS, None))).items
    if not newest or newest[0].turn_id != waiting.turn_id:
        return None
    taken = await _patiently(client, turns.take(id, ttl_seconds=ttl_seconds))
    if not serves(agents, taken.agent_id, taken.agent_version):  # that of another runtime of the agent
        await client.send(turns.renew(id, taken.turn_id, taken.token, ttl_seconds=1))
        return None
    if len(newest) == ATTEMPTS and all(turn.state == "interrupted" for turn in newest):
        why = f"The answer was interrupted {ATTEMPTS} times in a row"
        await client.send(turns.fail(id, taken.turn_id, taken.token, why))
        return None
    if taken.number > waiting.number + 1 and (not taken.history or taken.history[-1].role != "user"):
        # Another runtime has answered since this one looked.
        await client.send(turns.finish(id, taken.turn_id, taken.token))
        return None
    return taken


async def _patiently(client: AsyncClient, call: Call[T]) -> T:
    """The answer, however long chat is away, or the credentials are refused."""
    key, failures = str(uuid4()), 0
    while True:
        try:
            return await client.send(call, idempotency_key=key)
        except ClientError as error:
            if not passes(error) and not isinstance(error, NotAuthenticated):
                raise
            failures += 1
            log.warning("chat doesn't give a turn, trying again: %s", error)
            await asyncio.sleep(client.settings.retrying.backoff(failures))

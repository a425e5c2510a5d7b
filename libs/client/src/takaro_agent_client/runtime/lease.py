"""Holds a turn: renews it three times within its time, and knows when it is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar
from uuid import uuid4

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.calls import Call
from takaro_agent_client.errors import ClientError, Conflict, NotFound, Refused
from takaro_agent_client.models import RenewedTurn, TakenTurn
from takaro_agent_client.operations import turns
from takaro_agent_client.retries import passes

log = logging.getLogger(__name__)
T = TypeVar("T")

RENEWALS = 3
"""Within the time that a turn is held for."""
LOOK_SECONDS = 1.0
"""How often a turn that waits for a person looks for the answer."""
OVER = ("turn_over", "turn_running", "turn_token_refused")
"""Codes of a 409: the token counts no more."""


class TurnOver(ClientError):
    """The turn is no longer this runtime's: ``reason`` is ``cancelled``, or ``lost`` when it wasn't renewed
    in time. What was shown is kept; nothing more can be written."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the turn is {reason}")
        self.reason = reason


class Lease:
    """Holds a taken turn for ``ttl_seconds`` at a time, counted from when the last renewal was sent."""

    def __init__(self, client: AsyncClient, taken: TakenTurn, ttl_seconds: int) -> None:
        self._client, self._taken, self.ttl_seconds = client, taken, ttl_seconds
        self._until = monotonic() + ttl_seconds
        self._over: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @property
    def reason(self) -> str | None:
        """Why the turn is over; ``None`` while it isn't."""
        return self._over.result() if self._over.done() else None

    def end(self, reason: str) -> None:
        """The turn is over."""
        if not self._over.done():
            self._over.set_result(reason)

    async def over(self) -> str:
        """Wait until the turn is over. Returns why."""
        return await asyncio.shield(self._over)

    def check(self) -> None:
        """Raises :class:`TurnOver`."""
        if (reason := self.reason) is not None:
            raise TurnOver(reason)

    async def keep(self) -> None:
        """Renew the turn until it is over."""
        pause = self.ttl_seconds / RENEWALS
        while self.reason is None:
            await asyncio.sleep(pause)
            renewed = await self._renewed(self.ttl_seconds / RENEWALS)
            pause = self.ttl_seconds / RENEWALS if renewed else min(1.0, self.ttl_seconds / RENEWALS)

    async def _renewed(self, patience: float) -> bool:
        try:
            async with asyncio.timeout(patience):
                await self.renew()
        except TurnOver:
            return False
        except (ClientError, TimeoutError) as error:
            log.warning("turn %s isn't renewed yet: %r", self._taken.turn_id, error)
            if monotonic() > self._until:
                self.end("lost")
            return False
        return True

    async def renew(
        self, ttl_seconds: int | None = None, awaiting: turns.Awaiting | None = None
    ) -> RenewedTurn:
        """Renew once. Raises :class:`TurnOver`, and :class:`ClientError` if nobody knows."""
        sent, ttl = monotonic(), ttl_seconds or self.ttl_seconds
        call = turns.renew(
            self._taken.conversation_id,
            self._taken.turn_id,
            self._taken.token,
            ttl_seconds=ttl,
            awaiting=awaiting,
        )
        renewed = await self._checked(call)
        if renewed.cancelled:
            self.end("cancelled")
            self.check()
        self._until = sent + ttl
        return renewed

    async def send(self, call: Call[T]) -> T:
        """Send what needs the token, again and again for as long as the turn is held. Raises
        :class:`TurnOver`, and :class:`Refused` for what is refused for good."""
        failures, key = 0, str(uuid4())
        while True:
            self.check()
            try:
                return await self._checked(call, key)
            except TurnOver:
                raise
            except ClientError as error:
                if not passes(error):
                    raise
                failures += 1
                log.warning("%s fails, trying again: %r", call.path, error)
                await asyncio.sleep(min(LOOK_SECONDS, self._client.settings.retrying.backoff(failures)))

    async def ask(self, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Let a person answer, however long it takes. Raises as :meth:`renew`."""
        renewed = await self._patiently(lambda: self.renew(awaiting={"tool": tool, "input": dict(given)}))
        while renewed.state == "awaiting" or renewed.answer is None:
            await asyncio.sleep(min(LOOK_SECONDS, self.ttl_seconds / RENEWALS))
            renewed = await self._patiently(self.renew)
        return renewed.answer

    async def _patiently(self, renew: Callable[[], Awaitable[RenewedTurn]]) -> RenewedTurn:
        while True:
            self.check()
            try:
                renewed = await renew()
            except ClientError as error:
                if not passes(error):
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return renewed

    async def _checked(self, call: Call[T], key: str | None = None) -> T:
        try:
            return await self._client.send(call, idempotency_key=key)
        except (Conflict, NotFound) as error:
            if not is_over(error):
                raise
            await self.end_as_told()
            self.check()
            raise

    async def end_as_told(self) -> None:
        """The service refuses the token: the turn was cancelled, or is lost."""
        cancelled = False
        with suppress(ClientError):
            call = turns.get(self._taken.conversation_id, self._taken.turn_id)
            cancelled = (await self._client.send(call)).state == "cancelled"
        self.end("cancelled" if cancelled else "lost")


def is_over(error: ClientError) -> bool:
    """Whether the service said that the turn is another's, over, or gone with its conversation."""
    return isinstance(error, NotFound) or (isinstance(error, Refused) and error.code in OVER)

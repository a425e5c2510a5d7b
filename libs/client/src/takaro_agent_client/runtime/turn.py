"""A turn, as the code that answers sees it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from uuid import uuid4

from takaro_agent_client.async_client import AsyncClient
from takaro_agent_client.errors import ClientError
from takaro_agent_client.models import Message, TakenTurn
from takaro_agent_client.operations import messages, turns
from takaro_agent_client.operations.messages import NewMessage
from takaro_agent_client.runtime.lease import Lease, TurnOver, is_over
from takaro_agent_client.runtime.sending import Sender
from takaro_agent_client.runtime.shown import Shown, text_pieces

__all__ = ["Turn", "TurnOver"]


class Turn:
    """A turn that was taken. ``taken`` has its token, the ``history`` and the ``state``.

    What is shown belongs to the message ``message_id``; without one, to the message that has the turn's own
    id. When the answering code returns, the turn is finished with what was shown and not appended yet.
    Everything raises :class:`TurnOver` when the turn was cancelled or lost.
    """

    def __init__(self, client: AsyncClient, taken: TakenTurn, lease: Lease, sender: Sender) -> None:
        self.client, self.taken = client, taken
        self._lease, self._sender, self._shown = lease, sender, Shown()
        self._usage: Mapping[str, Any] | None = None
        self.ended = False

    @property
    def history(self) -> list[Message]:
        """The newest messages, oldest first."""
        return self.taken.history

    @property
    def state(self) -> dict[str, Any]:
        """The conversation's state when the turn began."""
        return self.taken.state or {}

    @property
    def question(self) -> str:
        """What users have said since the last complete answer, one message a line."""
        asked: list[str] = []
        for message in reversed(self.taken.history):
            if message.role == "user":
                asked.append(message.content)
            elif message.incomplete is None:
                break
        return "\n".join(reversed(asked))

    @property
    def over(self) -> str | None:
        """``cancelled`` or ``lost`` once the turn is over; code in a thread looks here."""
        return self._lease.reason

    async def text(self, content: str, *, message_id: str | None = None) -> None:
        """Show more of a text."""
        for piece in text_pieces(content):
            await self._show(piece, message_id)

    async def tool_use(
        self, name: str, given: Mapping[str, Any], *, id: str | None = None, message_id: str | None = None
    ) -> str:
        """Show that a tool is called with this input. Returns the call's id, which its result needs."""
        call = id or str(uuid4())
        await self._show({"type": "tool_use", "id": call, "name": name, "input": dict(given)}, message_id)
        return call

    async def tool_result(
        self,
        id: str,
        name: str,
        *,
        output: Any = None,
        error: str | None = None,
        duration_ms: int | None = None,
        message_id: str | None = None,
    ) -> None:
        """Show what a tool returned; with ``error`` it has failed."""
        result = {"success": True, "output": output} if error is None else {"success": False, "error": error}
        piece = {"type": "tool_result", "id": id, "name": name, "result": result}
        await self._show(piece | ({} if duration_ms is None else {"durationMs": duration_ms}), message_id)

    async def append(self, *new: NewMessage) -> list[Message]:
        """Store messages now, before the turn ends; one with the id that pieces were shown under takes their
        place."""
        await self.flush()
        call = messages.append(self.taken.conversation_id, new, turn_token=self.taken.token)
        stored = await self._lease.send(call)
        for message in stored:
            self._shown.stored(str(message.id))
        return stored

    async def ask(self, tool: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Wait for a person's answer, for as long as a turn may take in all."""
        await self.flush()
        return await self._lease.ask(tool, given)

    def used(self, **usage: Any) -> None:
        """What the answer has used, for the end of the turn: ``inputTokens``, ``outputTokens`` …"""
        self._usage = {**(self._usage or {}), **usage}

    async def flush(self) -> None:
        """Wait until the service has stored everything that was shown."""
        try:
            await self._sender.flush()
        except ClientError as error:
            await self._over(error)
            raise

    async def finish(self, last: Sequence[NewMessage] | None = None) -> None:
        """End the turn with its last messages; without any, with those that were shown. The end of the
        answering code does this by itself."""
        await self.flush()
        given = self._shown.messages() if last is None else last
        taken = self.taken
        await self._lease.send(
            turns.finish(taken.conversation_id, taken.turn_id, taken.token, messages=given, usage=self._usage)
        )
        self.ended = True

    async def fail(self, error: str) -> None:
        """Give up the turn, and say why. An exception of the answering code does this by itself."""
        with suppress(ClientError):  # a piece that is refused may be why it fails
            await self.flush()
        taken = self.taken
        await self._lease.send(
            turns.fail(taken.conversation_id, taken.turn_id, taken.token, error[:2_000] or "no reason given")
        )
        self.ended = True

    async def _show(self, piece: dict[str, Any], message_id: str | None) -> None:
        self._lease.check()
        whole = piece if message_id is None else {"messageId": message_id, **piece}
        try:
            await self._sender.put(whole)
        except ClientError as error:
            await self._over(error)
            raise
        self._shown.add(message_id or str(self.taken.turn_id), piece)

    async def _over(self, error: ClientError) -> None:
        if is_over(error):
            await self._lease.end_as_told()
            self._lease.check()

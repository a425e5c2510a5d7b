"""A conversation's stream in the events of the AG-UI protocol."""

from collections.abc import AsyncIterator, Sequence
from uuid import UUID

from ag_ui.core import BaseEvent, CustomEvent
from orjson import Fragment

from chat.conversations import repository as conversations
from chat.conversations.use_cases import check_owner
from chat.live import repository
from chat.live.ag_ui import MESSAGES_CHANGED, STATE_CHANGED, events_of, snapshots
from chat.live.records import Connected, Ended, LiveFact, Reset, Step
from chat.messages import listing_repository as messages
from chat.messages.use_cases import PAGE_BYTES
from common import codec
from common.errors import Forbidden, NotFound
from common.postgres import Pool, transaction, tried_again
from servicekit.sse import ServerEvent

MESSAGES = 200
"""The newest messages of a snapshot; fewer if they are large."""

_END = 2**63 - 1


async def ag_ui_events(
    pool: Pool, user_id: str, conversation_id: UUID, steps: AsyncIterator[Step]
) -> AsyncIterator[ServerEvent]:
    """First the conversation as it is, then what changes. Events have no name; the last one of each fact has
    its sequence as id.

    A snapshot may have more than the facts that came before it; those facts aren't told again.
    """
    known = -1
    async for step in steps:
        if isinstance(step, Ended):
            yield _event(CustomEvent(name="end", value={"reason": step.reason}))
            continue
        anew = isinstance(step, Reset) or (isinstance(step, Connected) and not step.resumed)
        told: Sequence[BaseEvent] = ()
        if isinstance(step, Connected) and step.resumed:
            told = [CustomEvent(name="connected", value={"sequence": step.sequence})]
        elif isinstance(step, LiveFact):
            if step.sequence <= known:
                continue
            anew = step.type in MESSAGES_CHANGED | STATE_CHANGED
            told = events_of(step.type, codec.loads(step.data))
        if anew:
            try:
                known, told = await _snapshots(pool, user_id, conversation_id)
            except (NotFound, Forbidden):
                continue  # the next step tells of it
        for place, event in enumerate(told, start=1):
            yield _event(event, max(step.sequence, known) if place == len(told) else None)


@tried_again
async def _snapshots(pool: Pool, user_id: str, conversation_id: UUID) -> tuple[int, list[BaseEvent]]:
    """The sequence of the last fact that the snapshots have, and the snapshots. Raises as
    :func:`check_owner`."""
    async with transaction(pool, isolation="repeatable_read") as connection:
        await check_owner(connection, user_id, conversation_id)
        sequence = await repository.get_sequence(connection, conversation_id)
        conversation = await conversations.get_conversation(connection, conversation_id)
        assert conversation is not None, "the snapshot has it"
        newest = await messages.list_before(connection, conversation_id, _END, MESSAGES, PAGE_BYTES)
    return sequence, snapshots(codec.loads(conversation.state or "{}"), newest[::-1])


def _event(event: BaseEvent, sequence: int | None = None) -> ServerEvent:
    said = Fragment(event.model_dump_json(by_alias=True))
    return ServerEvent(None, said, None if sequence is None else str(sequence))

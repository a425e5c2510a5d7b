"""Appending and reading messages."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from uuid import UUID, uuid4

from backbone import outbox
from chat.conversations.use_cases import check_owner, not_found
from chat.messages import repository
from chat.messages.facts import appended
from chat.messages.records import Message, NewMessage, Placed
from common.errors import Conflict, PermanentError
from common.postgres import Connection, Pool, transaction, tried_again

PAGE_MESSAGES = 500
PAGE_BYTES = 1_000_000
"""A page ends with the message that reaches this size."""


async def list_messages(
    pool: Pool, user_id: str, conversation_id: UUID
) -> AsyncGenerator[list[Message], None]:
    """A conversation's messages at the time of the request, oldest first, in pages.

    Each page is a short statement. No connection is held between pages, however slow the reader is. Raises as
    :func:`check_owner` before the first page, and :class:`Conflict` if the rest of the messages is deleted
    before its page is read.
    """
    async with pool.acquire() as connection:
        await check_owner(connection, user_id, conversation_id)
        until = await repository.get_last_sequence(connection, conversation_id)
    last = 0
    while last < until:
        async with pool.acquire() as connection:
            page = await repository.list_messages(
                connection, conversation_id, last, until, PAGE_MESSAGES, PAGE_BYTES
            )
        if not page:
            raise Conflict("Messages were deleted while they were read", code="messages_gone")
        last = page[-1].sequence
        yield page


@tried_again
async def append_user_message(pool: Pool, user_id: str, conversation_id: UUID, content: str) -> Message:
    """Store a user's message, with its fact. Raises as :func:`check_owner`."""
    message = NewMessage(uuid4(), conversation_id, "user", content)
    async with transaction(pool) as connection:
        [outcome] = await append_messages(connection, [message], owner=user_id)
        if isinstance(outcome, PermanentError):
            await check_owner(connection, user_id, conversation_id)
            raise outcome
    assert outcome is not None, "a new id can't have been stored before"
    return Message(
        message.id,
        conversation_id,
        "user",
        content,
        None,
        None,
        None,
        None,
        None,
        outcome.created_at,
        outcome.sequence,
    )


async def append_messages(
    connection: Connection, messages: Sequence[NewMessage], *, owner: str | None = None
) -> list[Placed | PermanentError | None]:
    """Append a batch of messages, with their facts, in the caller's transaction. Returns an outcome for each.

    ``None``: the same message is already stored, and nothing was done. An error: the conversation doesn't
    exist, or isn't ``owner``'s, if given (:class:`NotFound`), or the id belongs to another message
    (:class:`Conflict`, ``id_reused``).
    """
    inserted: dict[tuple[UUID, UUID], Placed] = {}
    for part in _without_repeats(messages):
        inserted |= await repository.insert_messages(connection, part, owner)
    outcomes: list[Placed | PermanentError | None] = []
    facts: list[outbox.Fact] = []
    open_places: list[int] = []
    for place, message in enumerate(messages):
        # pop: of two with one id in the same batch, only one was inserted
        placed = inserted.pop((message.id, message.conversation_id), None)
        outcomes.append(placed)
        if placed is None:
            open_places.append(place)
        else:
            facts.append(appended(message, placed))
    if open_places:
        known = await repository.compare_messages(connection, [messages[place] for place in open_places])
        for i, place in enumerate(open_places):
            outcomes[place] = _not_inserted(known.get(i))
    await outbox.append(connection, facts)
    return outcomes


def _without_repeats(messages: Sequence[NewMessage]) -> list[Sequence[NewMessage]]:
    """The messages in parts, almost always one, so that no id is twice in a part."""
    if len({message.id for message in messages}) == len(messages):
        return [messages]
    parts: list[list[NewMessage]] = []
    times: Counter[UUID] = Counter()
    for message in messages:
        if times[message.id] == len(parts):
            parts.append([])
        parts[times[message.id]].append(message)
        times[message.id] += 1
    return list(parts)


def _not_inserted(same: bool | None) -> PermanentError | None:
    if same is None:
        return not_found()
    return None if same else Conflict("The id was used for another message", code="id_reused")

"""Appending and reading messages."""

from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias
from uuid import UUID, uuid4

import asyncpg

from chat.conversations.rules import not_found
from chat.conversations.use_cases import check_owner
from chat.messages import listing_repository, repository
from chat.messages.records import Message, NewMessage, Placed
from common import trace_context
from common.errors import Conflict, Forbidden, PermanentError
from common.group_commit import GroupCommit
from common.postgres import Connection, Overtaken, Pool, tried_again

Appends: TypeAlias = GroupCommit[NewMessage, Placed | None]

FEW_MESSAGES = 50
GROUP_LOCK_TIMEOUT = "100ms"
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
        begun = await listing_repository.begin_list(
            connection, conversation_id, user_id, PAGE_MESSAGES, PAGE_BYTES
        )
    if begun is None:
        raise not_found()
    if begun.owner != user_id:
        raise Forbidden
    page = begun.page
    while page:
        last = page[-1].sequence
        yield page
        if last >= begun.until:
            return
        async with pool.acquire() as connection:
            page = await listing_repository.list_after(
                connection, conversation_id, last, PAGE_MESSAGES, PAGE_BYTES
            )
        page = [message for message in page if message.sequence <= begun.until]  # later ones came meanwhile
        if not page:
            raise Conflict("Messages were deleted while they were read", code="messages_gone")


def create_appends() -> Appends:
    """Messages over HTTP, committed together."""
    return GroupCommit("append messages", _append_alone, size=lambda message: len(message.content))


@tried_again
async def _append_alone(pool: Pool, messages: Sequence[NewMessage]) -> list[Placed | None]:
    """Append messages in a statement of its own; None for each that wasn't, as the second one with an id.

    Several wait for a lock only briefly: the one that must wait is then tried alone, and the others don't.
    """
    first: dict[UUID, int] = {}
    for place, message in enumerate(messages):
        first.setdefault(message.id, place)
    async with pool.acquire() as connection:
        lock_timeout = GROUP_LOCK_TIMEOUT if len(messages) > 1 else None
        inserted = await _insert(connection, [messages[place] for place in first.values()], lock_timeout)
    placed: list[Placed | None] = [None] * len(messages)
    for i, place in enumerate(first.values()):
        placed[place] = inserted.get(i)
    return placed


@tried_again
async def append_user_message(
    pool: Pool,
    user_id: str,
    conversation_id: UUID,
    content: str,
    *,
    message_id: UUID | None = None,
    appends: Appends | None = None,
) -> Message:
    """Store a user's message, with its fact; together with others of ``appends``.

    With a ``message_id`` of the caller's, a message that is stored already is returned. Raises as
    :func:`check_owner`, and :class:`Conflict` if the id belongs to another message.
    """
    message = NewMessage(
        message_id or uuid4(),
        conversation_id,
        "user",
        content,
        trace=trace_context.current(),
        owner=user_id,
    )
    placed = await (appends or create_appends())(pool, message)
    if placed is None:
        async with pool.acquire() as connection:
            await check_owner(connection, user_id, conversation_id)
            if message_id is not None:
                return await _stored(connection, message)
        raise not_found()  # it was created, or given to the user, only now
    return Message(
        str(message.id),
        "user",
        content,
        None,
        None,
        None,
        None,
        None,
        placed.created_at,
        placed.sequence,
    )


async def _stored(connection: Connection, message: NewMessage) -> Message:
    """The stored message, which must be the same. Raises :class:`Overtaken` if there is none: another one
    with its id was tried in its place, and not stored."""
    same = (await repository.compare_messages(connection, [message])).get(0)
    if same is False:
        raise Conflict("The id was used for another message", code="id_reused")
    stored = await listing_repository.list_by_ids(connection, [message.id]) if same else []
    if not stored:
        raise Overtaken("another message with this id was tried meanwhile")
    return stored[0]


async def append_messages(
    connection: Connection, messages: Sequence[NewMessage]
) -> list[Placed | PermanentError | None]:
    """Append a batch of messages, with their facts, in the caller's transaction. Returns an outcome for each.

    ``None``: the same message is already stored, and nothing was done. An error: the conversation doesn't
    exist, or isn't the message's ``owner``'s, if it names one (:class:`NotFound`), or the id belongs to
    another message (:class:`Conflict`, ``id_reused``).
    """
    current = trace_context.current()
    for message in messages:
        message.trace = message.trace or current
    outcomes: list[Placed | PermanentError | None] = [None] * len(messages)
    open_places: list[int] = []
    for places in _without_repeats(messages):
        inserted = await _insert(connection, [messages[place] for place in places])
        for i, place in enumerate(places):
            outcomes[place] = inserted.get(i)
            if i not in inserted:
                open_places.append(place)
    if open_places:
        known = await repository.compare_messages(connection, [messages[place] for place in open_places])
        for i, place in enumerate(open_places):
            outcomes[place] = _not_inserted(known.get(i))
    return outcomes


async def _insert(
    connection: Connection, messages: Sequence[NewMessage], lock_timeout: str | None = None
) -> dict[int, Placed]:
    few = len(messages) <= FEW_MESSAGES
    insert = repository.insert_few_messages if few else repository.insert_messages
    try:
        return await insert(connection, messages, lock_timeout)
    except asyncpg.DivisionByZeroError:
        raise Overtaken("another transaction stored one of these messages meanwhile") from None


def _without_repeats(messages: Sequence[NewMessage]) -> list[Sequence[int]]:
    """The positions of the messages in parts, almost always one, so that no id is twice in a part."""
    if len({message.id for message in messages}) == len(messages):
        return [range(len(messages))]
    parts: list[list[int]] = []
    times: Counter[UUID] = Counter()
    for place, message in enumerate(messages):
        if times[message.id] == len(parts):
            parts.append([])
        parts[times[message.id]].append(place)
        times[message.id] += 1
    return list(parts)


def _not_inserted(same: bool | None) -> PermanentError | None:
    if same is None:
        return not_found()
    return None if same else Conflict("The id was used for another message", code="id_reused")

"""Appending and reading messages."""

from collections.abc import AsyncGenerator, Sequence
from typing import TypeAlias
from uuid import UUID, uuid4

from chat.announcements.served import ServedAgents
from chat.conversations.rules import not_found
from chat.conversations.use_cases import check_owner
from chat.messages import listing_repository, repository
from chat.messages.batches import apart, append_part, insert
from chat.messages.records import Message, NewMessage, Placed
from chat.messages.turn_fence import may_not_wait
from chat.messages.turn_requests import request_turns
from common import trace_context
from common.errors import Conflict, Forbidden, PermanentError
from common.group_commit import GroupCommit
from common.postgres import Connection, Overtaken, Pool, transaction, tried_again
from contracts.chat import OnBusy

Appends: TypeAlias = GroupCommit[NewMessage, Placed | None]

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


def create_appends(served: ServedAgents | None = None) -> Appends:
    """Messages over HTTP, committed together; with the turns that they ask for, if any agent is
    ``served``."""

    async def append(pool: Pool, messages: Sequence[NewMessage]) -> list[Placed | None]:
        if served is None or served.nobody():
            return await _append_alone(pool, messages)
        return await _append_and_request(pool, messages, served)

    return GroupCommit("append messages", append, size=lambda message: len(message.content))


@tried_again
async def _append_alone(pool: Pool, messages: Sequence[NewMessage]) -> list[Placed | None]:
    """Append messages in a statement of its own; None for each that wasn't, as the second one with an id."""
    async with pool.acquire() as connection:
        return await _append_first(connection, messages)


@tried_again
async def _append_and_request(
    pool: Pool, messages: Sequence[NewMessage], served: ServedAgents
) -> list[Placed | None]:
    """As :func:`_append_alone`, with the turns that they ask for, in one transaction."""
    async with transaction(pool) as connection:
        placed = await _append_first(connection, messages)
        await request_turns(connection, served, zip(messages, placed, strict=True))
        return placed


async def _append_first(connection: Connection, messages: Sequence[NewMessage]) -> list[Placed | None]:
    """Append the first message with each id.

    Several wait for a lock only briefly: the one that must wait is then tried alone, and the others don't.
    """
    first: dict[UUID, int] = {}
    for place, message in enumerate(messages):
        first.setdefault(message.id, place)
    lock_timeout = GROUP_LOCK_TIMEOUT if len(messages) > 1 else None
    inserted = await insert(connection, [messages[place] for place in first.values()], lock_timeout)
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
    on_busy: OnBusy = "queue",
    served: ServedAgents | None = None,
) -> Message:
    """Store a user's message, with its fact; together with others of ``appends``, unless it can't wait.

    With a ``message_id`` of the caller's, a message that is stored already is returned. Raises as
    :func:`check_owner`, and :class:`Conflict` if the id belongs to another message, or if a turn runs and
    ``on_busy`` is ``reject``.
    """
    message = NewMessage(
        message_id or uuid4(),
        conversation_id,
        "user",
        content,
        trace=trace_context.current(),
        owner=user_id,
        on_busy=on_busy,
    )
    if may_not_wait(message):
        placed = await _append_at_once(pool, message, served)
    else:
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


@tried_again
async def _append_at_once(pool: Pool, message: NewMessage, served: ServedAgents | None) -> Placed | None:
    """Append a message of its conversation's owner, whatever runs there. None if its id is stored."""
    async with transaction(pool) as connection:
        await check_owner(connection, message.owner or "", message.conversation_id)
        [outcome] = await append_messages(connection, [message], served)
        if isinstance(outcome, PermanentError):
            raise outcome
        return outcome


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
    connection: Connection, messages: Sequence[NewMessage], served: ServedAgents | None = None
) -> list[Placed | PermanentError | None]:
    """Append a batch of messages, with their facts, in the caller's transaction. Returns an outcome for each.
    What users say to agents that are ``served`` asks for turns.

    ``None``: the same message is already stored, and nothing was done. An error: the conversation doesn't
    exist, or isn't the message's ``owner``'s, if it names one (:class:`NotFound`), the id belongs to
    another message (:class:`Conflict`, ``id_reused``), or it isn't the turn of who sent it (``turn_running``,
    ``turn_over``).
    """
    current = trace_context.current()
    for message in messages:
        message.trace = message.trace or current
    outcomes = [outcome for part in apart(messages) for outcome in await append_part(connection, part)]
    if served is not None and not served.nobody():
        await request_turns(connection, served, zip(messages, outcomes, strict=True))
    return outcomes

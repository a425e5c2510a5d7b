"""What can be done with conversations, over HTTP and from the stream.

Functions that take a pool own the transaction. Those that take a connection work on whole batches in the
caller's transaction.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from backbone import inbox, outbox, sequences
from chat.conversations import repository
from chat.conversations.agent_versions import name_versions, set_agent_version
from chat.conversations.facts import created, deleted, number, titled
from chat.conversations.records import Conversation, NewConversation, TitleChange, VersionChange
from chat.conversations.rules import not_found
from common.errors import Conflict, Forbidden, PermanentError
from common.postgres import Connection, Pool, transaction, tried_again
from common.trace_context import TraceContext
from contracts.chat import AppendMessage

REMEMBERED_AT_ONCE = 10_000
"""Ids of deleted messages in one statement."""


async def check_owner(connection: Connection, user_id: str, conversation_id: UUID) -> None:
    """Raise :class:`NotFound` if there is no such conversation, :class:`Forbidden` if it isn't the user's.

    A legacy conversation without a user belongs to nobody.
    """
    owner = await repository.get_owner(connection, conversation_id)
    if owner is None:
        raise not_found()
    if owner[0] != user_id:
        raise Forbidden


async def lock_conversations(connection: Connection, ids: Sequence[UUID], *, deletes: bool) -> None:
    """Lock conversations in the order of their ids: those of a batch, before anything else is locked.

    ``deletes``: as a deletion does, because one that locked them less strongly before would wait for others
    while it holds them.
    """
    if deletes:
        await repository.lock_for_deletion(connection, ids)
    elif ids:
        await repository.lock_for_change(connection, ids)


async def get_conversation(pool: Pool, user_id: str, conversation_id: UUID) -> Conversation:
    """One of the user's conversations. Raises as :func:`check_owner`."""
    async with pool.acquire() as connection:
        conversation = await repository.get_conversation(connection, conversation_id)
    if conversation is None:
        raise not_found()
    if conversation.user_id != user_id:
        raise Forbidden
    return conversation


async def create_conversations(
    connection: Connection, conversations: Sequence[NewConversation], *, new_ids: bool = False
) -> list[datetime | PermanentError]:
    """Create conversations with their facts. Returns for each when it was created, or an error.

    Errors: its id is taken, or the custom agent isn't its user's, or hasn't the version. ``new_ids`` promises
    that no id was used before, so each sequence begins at 1.
    """
    errors = await name_versions(connection, conversations)
    allowed = [c for c, error in zip(conversations, errors, strict=True) if error is None]
    inserted = await repository.insert_conversations(connection, allowed) if allowed else {}
    resumed = {} if new_ids else await _resume_sequences(connection, list(inserted))
    outcomes: list[datetime | PermanentError] = []
    facts: list[outbox.Fact] = []
    for conversation, error in zip(conversations, errors, strict=True):
        if error is not None:
            outcomes.append(error)
        elif (created_at := inserted.pop(conversation.id, None)) is None:
            outcomes.append(Conflict("A conversation with this id exists", code="conversation_exists"))
        else:
            outcomes.append(created_at)
            facts.append(created(conversation, created_at, resumed.get(conversation.id, 1)))
    await outbox.append(connection, facts)
    return outcomes


async def _resume_sequences(connection: Connection, ids: Sequence[UUID]) -> dict[UUID, int]:
    """Let new conversations whose id was used before continue their sequence. Returns these sequences by
    id."""
    retired = await sequences.resume(connection, [str(i) for i in ids]) if ids else {}
    resumed = {UUID(subject): last + 1 for subject, last in retired.items()}
    if resumed:
        await repository.update_sequences(connection, resumed)
    return resumed


@tried_again
async def change_conversation(
    pool: Pool, user_id: str, conversation_id: UUID, changes: Sequence[TitleChange | VersionChange]
) -> Conversation:
    """Make all of these changes to one of the user's conversations, or none.

    Raises as :func:`check_owner` and :func:`set_agent_version`.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        for change in changes:
            if isinstance(change, VersionChange):
                await set_agent_version(connection, change)
                continue
            [error] = await set_titles(connection, [change])
            if error:
                raise error
        conversation = await repository.get_conversation(connection, conversation_id)
        if conversation is None:
            raise not_found()
        return conversation


async def set_titles(connection: Connection, changes: Sequence[TitleChange]) -> list[PermanentError | None]:
    """Set titles in order, with a fact for each. Returns an error for each conversation that doesn't
    exist."""
    locked = await repository.lock_for_change(connection, [c.conversation_id for c in changes])
    counts: Counter[UUID] = Counter()
    last: dict[UUID, str | None] = {}
    facts: list[outbox.Fact] = []
    for change in changes:
        if change.conversation_id in locked:
            counts[change.conversation_id] += 1
            last[change.conversation_id] = change.title
            facts.append(titled(change, counts[change.conversation_id]))
    if facts:
        titles = [
            (conversation_id, title, counts[conversation_id]) for conversation_id, title in last.items()
        ]
        number(facts, await repository.update_titles(connection, titles))
        await outbox.append(connection, facts)
    return [None if change.conversation_id in locked else not_found() for change in changes]


@tried_again
async def delete_conversation(pool: Pool, user_id: str, conversation_id: UUID) -> None:
    """Delete one of the user's conversations with its messages and session. Raises as :func:`check_owner`."""
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        [error] = await delete_conversations(connection, [(conversation_id, None)])
        if error:
            raise error


async def delete_conversations(
    connection: Connection, ids: Sequence[tuple[UUID, TraceContext | None]]
) -> list[PermanentError | None]:
    """Delete conversations, given with their trace contexts, with a fact for each.

    Returns an error for each that doesn't exist.

    Until now each message was itself the record that its command was handled. An entry of the stream that is
    read again later must still be a repeat, not a command for an unknown conversation, so the inbox records
    it.
    """
    doomed = [conversation_id for conversation_id, _ in ids]
    await repository.lock_for_deletion(connection, doomed)
    await _remember_messages(connection, doomed)
    gone = await repository.delete_conversations(connection, doomed)
    if gone:
        await sequences.retire(connection, {str(c.id): c.sequence for c in gone.values()})
    outcomes: list[PermanentError | None] = []
    facts: list[outbox.Fact] = []
    for conversation_id, trace in ids:
        conversation = gone.pop(conversation_id, None)
        if conversation is None:
            outcomes.append(not_found())
        else:
            outcomes.append(None)
            facts.append(deleted(conversation, trace))
    await outbox.append(connection, facts)
    return outcomes


async def _remember_messages(connection: Connection, conversation_ids: Sequence[UUID]) -> None:
    """Record the messages of locked conversations in the inbox, a page of ids at a time."""
    last = UUID(int=0)
    while True:
        page = await repository.list_message_ids(connection, conversation_ids, last, REMEMBERED_AT_ONCE)
        if page:
            await inbox.remember(connection, "chat", "/takaro/chat", AppendMessage.type, page)
        if len(page) < REMEMBERED_AT_ONCE:
            return
        last = page[-1]

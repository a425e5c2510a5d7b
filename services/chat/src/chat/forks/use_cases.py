"""Forking a conversation, and replacing the last message of its user."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from backbone import inbox, outbox
from chat.agents.rules import custom_id
from chat.announcements.served import ServedAgents
from chat.conversations import repository as conversations
from chat.conversations.agent_versions import hold_versions
from chat.conversations.facts import created
from chat.conversations.records import Conversation, NewConversation
from chat.conversations.use_cases import check_owner, lock_conversations
from chat.forks import repository
from chat.forks.facts import forked, replaced
from chat.forks.records import Fork, Replaced, Replacement, UserMessage
from chat.forks.rules import new_fork
from chat.messages.records import Message, NewMessage, Placed
from chat.messages.rules import message_not_found
from chat.messages.turn_ending import CANCELLED, end_turn, held_turns
from chat.messages.use_cases import append_messages
from common.errors import Conflict
from common.postgres import Connection, Pool, transaction, tried_again
from contracts.chat import AppendMessage

AT_ONCE = 1_000
"""Messages of one statement, so that each stays within Postgres's ``statement_timeout``."""
_END = 2**63 - 1


@tried_again
async def fork(pool: Pool, user_id: str, conversation_id: UUID, message_id: UUID | None) -> Conversation:
    """A new conversation with copies of the messages up to this one; of all, without one.

    Raises as :func:`check_owner`, and :class:`NotFound` for a message that isn't in the conversation.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        source = await repository.hold_source(connection, conversation_id)
        if message_id is None:
            last = await repository.get_last_message(connection, conversation_id, _END)
        elif (found := await repository.get_message(connection, conversation_id, message_id)) is None:
            raise message_not_found()
        else:
            last = found
        new = new_fork(source, last)
        at = await _insert(connection, new)
        messages = await _copy(connection, conversation_id, new.id, last.sequence)
        made = Fork(new.id, conversation_id, last.sequence, messages)
        return await _finish(connection, new, at, made)


@tried_again
async def replace_message(
    pool: Pool,
    user_id: str,
    conversation_id: UUID,
    message_id: UUID,
    content: str | None,
    served: ServedAgents | None = None,
) -> Replacement:
    """Append a message in place of the user's last one, with other ``content`` or the same. That one, and all
    that came after it, move to a fork, which has copies of what was before. A turn that runs is cancelled;
    the message asks for another one, if its agent is ``served``.

    Raises as :func:`check_owner`, :class:`NotFound` for a message that isn't in the conversation, and
    :class:`Conflict` for one that isn't the user's last, or was redacted when there is no new content.
    """
    async with transaction(pool) as connection:
        await check_owner(connection, user_id, conversation_id)
        await lock_conversations(connection, [conversation_id], deletes=True)
        if turn := (await held_turns(connection, [conversation_id])).get(conversation_id):
            await end_turn(connection, turn, CANCELLED)  # it answers what moves away
        first = await _last_of_user(connection, conversation_id, message_id)
        if first.redacted and content is None:
            raise Conflict("The message was redacted", code="message_redacted")
        through = (await repository.get_last_message(connection, conversation_id, _END)).sequence
        message = NewMessage(uuid4(), conversation_id, "user", first.content if content is None else content)
        source = await repository.hold_source(connection, conversation_id)
        last = await repository.get_last_message(connection, conversation_id, first.sequence)
        new = new_fork(source, last, replaced_by=message.id)
        at = await _insert(connection, new)
        messages = await _copy(connection, conversation_id, new.id, last.sequence)
        messages += await _move(connection, conversation_id, new.id, first.sequence, through)
        made = Fork(new.id, conversation_id, through, messages, first.sequence)
        branch = await _finish(connection, new, at, made)
        sequence, _ = await conversations.count_fact(connection, conversation_id)
        what = Replaced(conversation_id, first, through, new.id, message.id)
        await outbox.append(connection, [replaced(what, sequence)])
        return Replacement(await _append(connection, message, served), branch)


async def _last_of_user(connection: Connection, conversation_id: UUID, message_id: UUID) -> UserMessage:
    first = await repository.get_last_user_message(connection, conversation_id)
    if first is not None and first.id == message_id:
        return first
    if await repository.get_message(connection, conversation_id, message_id) is None:
        raise message_not_found()
    raise Conflict("Only the user's last message can be replaced", code="not_the_last_user_message")


async def _insert(connection: Connection, new: NewConversation) -> datetime:
    """The agent isn't looked up: the source goes on with it too, even if it was deleted. Its version is held,
    because the source may move on."""
    if (agent_id := custom_id(new.agent_id)) and new.agent_version is not None:
        await hold_versions(connection, [(agent_id, new.agent_version, new.user_id)])
    inserted = await conversations.insert_conversations(connection, [new])
    return inserted[new.id]


async def _copy(connection: Connection, source_id: UUID, fork_id: UUID, through: int) -> int:
    copied = last = 0
    while last < through:
        messages, last = await repository.copy_messages(
            connection, source_id, fork_id, last, through, AT_ONCE
        )
        copied += messages
        if messages < AT_ONCE:
            break
    return copied


async def _move(connection: Connection, source_id: UUID, fork_id: UUID, first: int, through: int) -> int:
    moved = 0
    for start in range(first, through + 1, AT_ONCE):
        end = min(start + AT_ONCE, through + 1)
        ids = await repository.move_messages(connection, source_id, fork_id, start, end)
        await _remember(connection, ids)
        moved += len(ids)
    return moved


async def _remember(connection: Connection, ids: Sequence[UUID]) -> None:
    """A command that is read again finds its message elsewhere: the inbox says that it was handled."""
    if ids:
        await inbox.remember(connection, "chat", "/takaro/chat", AppendMessage.type, ids)


async def _finish(connection: Connection, new: NewConversation, at: datetime, made: Fork) -> Conversation:
    facts = [created(new, at, 1), forked(made, 2)]
    await repository.update_counters(connection, new.id, made.through, len(facts))
    await outbox.append(connection, facts)
    conversation = await conversations.get_conversation(connection, new.id)
    assert conversation is not None
    return conversation


async def _append(connection: Connection, message: NewMessage, served: ServedAgents | None) -> Message:
    [placed] = await append_messages(connection, [message], served)
    assert isinstance(placed, Placed), "its conversation is locked, and its id is new"
    return Message(
        id=str(message.id),
        role=message.role,
        content=message.content,
        tool_calls=None,
        tool_results=None,
        token_count=None,
        latency_ms=None,
        model=None,
        created_at=placed.created_at,
        sequence=placed.sequence,
    )

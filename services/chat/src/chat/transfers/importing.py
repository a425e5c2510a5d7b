"""Importing a conversation from JSON Lines: all of it, or nothing.

The lines are in a file meanwhile, so no transaction waits for a slow client, and a transaction that is tried
again reads them once more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO
from uuid import UUID, uuid4

import asyncpg

from backbone import outbox, sequences
from chat.agents.rules import custom_not_found, parse
from chat.conversations.agent_versions import hold_versions
from chat.conversations.rules import check_size
from chat.custom_agents.repository import get_agent
from chat.feedback.facts import feedback_given
from chat.feedback.records import Feedback, Given
from chat.redaction.facts import redacted
from chat.transfers import repository, versions_repository
from chat.transfers.facts import appended, created
from chat.transfers.line_reading import parsed, read_lines, rewind, wrong_line
from chat.transfers.lines import ConversationLine, MessageLine
from chat.transfers.reading import Batch, Reading
from chat.transfers.records import Imported, ImportLimits
from chat.transfers.repeating import find_same
from common.errors import Conflict
from common.postgres import Connection, Pool, transaction, tried_again

EXISTS = "conversation_exists"


@dataclass(slots=True)
class _Import:
    """A conversation that is being inserted: its id, its user, that of the file, and its last fact."""

    id: UUID
    user_id: str
    file_user_id: str | None
    fact_sequence: int
    new_id: Callable[[UUID], UUID]
    version_bytes: int = 0

    def next(self) -> int:
        """The sequence of the next fact."""
        self.fact_sequence += 1
        return self.fact_sequence


async def import_conversation(
    pool: Pool, user_id: str, file: IO[bytes], limits: ImportLimits, *, copy: bool
) -> Imported:
    """Import the conversation in ``file``, as ``user_id``'s; a ``copy`` gets new ids. One that the user has
    already, exactly as in the file, stays.

    Raises :class:`common.errors.Invalid` that names the line which isn't as it must be,
    :class:`common.errors.TooLarge`, and :class:`Conflict` for an id that is taken.
    """
    try:
        return await _import(pool, user_id, file, limits, copy=copy)
    except Conflict as taken:
        same = await find_same(pool, user_id, file, limits) if taken.code == EXISTS else None
        if same is None:
            raise
        return same


@tried_again
async def _import(pool: Pool, user_id: str, file: IO[bytes], limits: ImportLimits, *, copy: bool) -> Imported:
    await rewind(file)
    async with transaction(pool) as connection:
        [line] = await read_lines(file, limits.line_bytes, most=1) or [b""]
        first = parsed(ConversationLine, line, 1)
        new = await _begin(connection, user_id, first, line, limits, copy=copy)
        reading = Reading(limits, first.state_version)
        while lines := await read_lines(file, limits.line_bytes):
            batch = reading.take(lines)
            await _insert_versions(connection, new, batch)
            await _insert_messages(connection, new, batch)
        if not reading.ended:
            raise wrong_line(reading.line + 1, "is missing: the last line must be the end")
        if reading.versions:
            states = limits.states
            await versions_repository.prune_versions(
                connection, new.id, states.versions, states.versions_bytes
            )
        places = max(reading.last_sequence, first.message_sequence)
        await repository.update_conversation(connection, new.id, new.fact_sequence, places, reading.last_time)
    return Imported(new.id, reading.messages)


async def _begin(
    connection: Connection,
    user_id: str,
    conversation: ConversationLine,
    line: bytes,
    limits: ImportLimits,
    *,
    copy: bool,
) -> _Import:
    for name, value in (("state", conversation.state), ("metadata", conversation.metadata)):
        check_size(name, value or {}, limits.states.state_bytes)
    custom = parse(conversation.agent_id).custom_id
    if custom is not None:
        agent = await get_agent(connection, custom)
        if agent is not None and agent.user_id != user_id:
            raise custom_not_found(custom)
        await hold_versions(connection, [(custom, conversation.agent_version, user_id)])
    new_id = (lambda _: uuid4()) if copy else (lambda id: id)
    id = new_id(conversation.id)
    try:
        inserted = await repository.insert_conversation(connection, id, user_id, line.decode())
    except asyncpg.DataError as error:
        raise wrong_line(1, "holds a value that can't be stored") from error
    if not inserted:
        raise Conflict("A conversation with this id exists", code=EXISTS)
    resumed = await sequences.resume(connection, [str(id)])
    new = _Import(id, user_id, conversation.user_id, resumed.get(str(id), 0) + 1, new_id)
    await outbox.append(connection, [created(id, user_id, conversation, new.fact_sequence)])
    return new


async def _insert_versions(connection: Connection, new: _Import, batch: Batch) -> None:
    """Insert the versions of a batch. Those that the conversation's user made are its new user's; who others
    are isn't known here."""
    if not batch.versions:
        return
    lines = [line for _, line in batch.versions]
    authors = [
        new.user_id if version.user_id is not None and version.user_id == new.file_user_id else None
        for version, _ in batch.versions
    ]
    try:
        await versions_repository.insert_versions(connection, new.id, lines, authors, new.version_bytes)
    except asyncpg.DataError as error:
        raise wrong_line(_span(batch.begun, len(lines)), "holds a value that can't be stored") from error
    new.version_bytes += sum(version.bytes for version, _ in batch.versions)


async def _insert_messages(connection: Connection, new: _Import, batch: Batch) -> None:
    """Insert the messages of a batch, with their facts."""
    if not batch.messages:
        return
    ids = [new.new_id(message.id) for message, _ in batch.messages]
    texts = [line for _, line in batch.messages]
    try:
        free = await repository.insert_messages(connection, new.id, ids, texts, new.user_id)
    except asyncpg.DataError as error:
        where = _span(batch.places[0], len(ids))
        raise wrong_line(where, "holds a value that can't be stored") from error
    for place, message_id in zip(batch.places, ids, strict=True):
        if message_id not in free:
            raise Conflict(f"line {place}: the id was used for another message", code="id_reused")
        free.discard(message_id)
    facts = []
    for message_id, (message, _) in zip(ids, batch.messages, strict=True):
        facts.extend(_facts(new, message_id, message))
    await outbox.append(connection, facts)


def _facts(new: _Import, id: UUID, message: MessageLine) -> list[outbox.Fact]:
    facts = [appended(new.id, id, message, new.next())]
    if message.feedback is not None:
        told = message.feedback
        given = Given(Feedback(new.user_id, told.rating, told.note), told.at)
        facts.append(feedback_given(new.id, id, given, new.next()))
    if message.redacted_at is not None:
        facts.append(redacted(new.id, id, message.sequence, message.redacted_at, new.next()))
    return facts


def _span(first: int, count: int) -> str | int:
    return first if count == 1 else f"{first} to {first + count - 1}"

"""Importing a conversation from JSON Lines: all of it, or nothing.

The lines are in a file meanwhile, so no transaction waits for a slow client, and a transaction that is tried
again reads them once more.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, TypeVar
from uuid import UUID, uuid4

import asyncpg
from pydantic import BaseModel, ValidationError

from backbone import outbox, sequences
from chat.agents.rules import custom_not_found, parse
from chat.conversations.rules import check_size
from chat.custom_agents.repository import get_agent
from chat.messages.rules import message_bytes
from chat.transfers import repository
from chat.transfers.facts import appended, created
from chat.transfers.lines import AnyLine, ConversationLine, EndLine, MessageLine
from common import codec
from common.errors import Conflict, Invalid, TooLarge
from common.postgres import Connection, Pool, transaction, tried_again

BATCH_LINES, BATCH_BYTES = 500, 1_000_000

L = TypeVar("L", bound=BaseModel)


@dataclass(slots=True, frozen=True)
class ImportLimits:
    """Bytes of a state or metadata, of a message, and of a line."""

    state_bytes: int
    message_bytes: int

    @property
    def line_bytes(self) -> int:
        """A line is JSON, whose escapes take up to six times the room."""
        return 6 * max(2 * self.state_bytes, self.message_bytes) + 65_536


@dataclass(slots=True)
class Imported:
    """What was imported."""

    id: UUID
    messages: int


@dataclass(slots=True)
class _Progress:
    id: UUID
    fact_sequence: int
    line: int = 1
    messages: int = 0
    last_sequence: int = 0
    last_time: datetime | None = None
    ended: bool = False
    ids: list[UUID] = field(default_factory=list)


@tried_again
async def import_conversation(
    pool: Pool, user_id: str, file: IO[bytes], limits: ImportLimits, *, copy: bool
) -> Imported:
    """Import the conversation in ``file``, as ``user_id``'s; a ``copy`` gets new ids.

    Raises :class:`Invalid` that names the line which isn't as it must be, :class:`TooLarge`, and
    :class:`Conflict` for an id that is taken.
    """
    await asyncio.to_thread(file.seek, 0)
    async with transaction(pool) as connection:
        [first] = await _read(file, limits, most=1) or [b""]
        conversation = _parsed(ConversationLine, first, 1)
        progress = await _begin(connection, user_id, conversation, first, limits, copy=copy)
        while lines := await _read(file, limits):
            await _add(connection, progress, lines, limits, copy=copy)
        if not progress.ended:
            raise _wrong(progress.line + 1, "is missing: the last line must be the end")
        await repository.update_conversation(
            connection,
            progress.id,
            progress.fact_sequence,
            max(progress.last_sequence, conversation.message_sequence),
            progress.last_time,
        )
    return Imported(progress.id, progress.messages)


async def _begin(
    connection: Connection,
    user_id: str,
    conversation: ConversationLine,
    line: bytes,
    limits: ImportLimits,
    *,
    copy: bool,
) -> _Progress:
    for name, value in (("state", conversation.state), ("metadata", conversation.metadata)):
        check_size(name, value or {}, limits.state_bytes)
    custom = parse(conversation.agent_id).custom_id
    if custom is not None:
        agent = await get_agent(connection, custom)
        if agent is not None and agent.user_id != user_id:
            raise custom_not_found(custom)
    id = uuid4() if copy else conversation.id
    try:
        inserted = await repository.insert_conversation(connection, id, user_id, line.decode())
    except asyncpg.DataError as error:
        raise _wrong(1, "holds a value that can't be stored") from error
    if not inserted:
        raise Conflict("A conversation with this id exists", code="conversation_exists")
    resumed = await sequences.resume(connection, [str(id)])
    progress = _Progress(id, resumed.get(str(id), 0) + 1)
    await outbox.append(connection, [created(id, user_id, conversation, progress.fact_sequence)])
    return progress


async def _add(
    connection: Connection, progress: _Progress, lines: list[bytes], limits: ImportLimits, *, copy: bool
) -> None:
    """Insert a batch of messages with their facts; the last line may be the end."""
    messages: list[MessageLine] = []
    begun = progress.line + 1
    for line in lines:
        progress.line += 1
        if progress.ended:
            raise _wrong(progress.line, "comes after the end")
        read = _parsed(AnyLine, line, progress.line).root
        if isinstance(read, EndLine):
            end = read
            if end.messages != progress.messages + len(messages):
                raise _wrong(progress.line, f"counts {end.messages} messages, and not those before it")
            progress.ended = True
            continue
        message = read
        if message.sequence <= progress.last_sequence:
            raise _wrong(progress.line, "must have a greater sequence than the message before")
        size = message_bytes(message.content, message.tool_calls, message.tool_results)
        if size > limits.message_bytes:
            raise TooLarge(f"line {progress.line}: the message has {size} bytes", code="message_too_large")
        progress.last_sequence = message.sequence
        if message.created_at and (progress.last_time is None or message.created_at > progress.last_time):
            progress.last_time = message.created_at
        messages.append(message)
    if not messages:
        return
    ids = [uuid4() if copy else message.id for message in messages]
    texts = [line.decode() for line in lines[: len(messages)]]
    try:
        free = await repository.insert_messages(connection, progress.id, ids, texts)
    except asyncpg.DataError as error:
        where = begun if len(messages) == 1 else f"{begun} to {begun + len(messages) - 1}"
        raise _wrong(where, "holds a value that can't be stored") from error
    for place, message_id in enumerate(ids):
        if message_id not in free:
            raise Conflict(f"line {begun + place}: the id was used for another message", code="id_reused")
        free.discard(message_id)
    facts = []
    for message_id, message in zip(ids, messages, strict=True):
        progress.fact_sequence += 1
        facts.append(appended(progress.id, message_id, message, progress.fact_sequence))
    await outbox.append(connection, facts)
    progress.messages += len(messages)


async def _read(file: IO[bytes], limits: ImportLimits, most: int = BATCH_LINES) -> list[bytes]:
    """The next lines, of at most about :data:`BATCH_BYTES`."""
    return await asyncio.to_thread(_read_now, file, limits.line_bytes, most)


def _read_now(file: IO[bytes], line_bytes: int, most: int) -> list[bytes]:
    lines: list[bytes] = []
    size = 0
    while len(lines) < most and size < BATCH_BYTES and (line := file.readline(line_bytes + 1)):
        if len(line) > line_bytes:
            raise TooLarge(f"A line has more than {line_bytes} bytes", code="line_too_large")
        lines.append(line)
        size += len(line)
    return lines


def _parsed(kind: type[L], line: bytes, number: int) -> L:
    try:
        return kind.model_validate(codec.loads(line))
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise _wrong(number, f"{where}: {message}" if where else message) from error
    except ValueError as error:
        raise _wrong(number, "isn't JSON") from error


def _wrong(number: int | str, problem: str) -> Invalid:
    return Invalid("Validation failed", code="line_invalid", details={f"line {number}": [problem]})

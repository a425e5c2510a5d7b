"""Appending messages in batches: what the statement leaves out is looked at again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import asyncpg

from chat.conversations.rules import not_found
from chat.messages import repository
from chat.messages.records import NewMessage, Placed
from chat.messages.repository import FEW_MESSAGES
from chat.messages.turn_fence import make_way, may_not_wait, refuse_others
from common.errors import Conflict, PermanentError
from common.postgres import Connection, Overtaken

if TYPE_CHECKING:
    from uuid import UUID


def apart(messages: Sequence[NewMessage]) -> list[Sequence[NewMessage]]:
    """The messages in parts, almost always one: a message that may stop a turn begins a part, because those
    before it are still in the turn's time."""
    starts = [0, *(place for place, message in enumerate(messages) if place and may_not_wait(message))]
    ends = [*starts[1:], len(messages)]
    return [messages[start:end] for start, end in zip(starts, ends, strict=True) if start < end]


async def append_part(
    connection: Connection, messages: Sequence[NewMessage]
) -> list[Placed | PermanentError | None]:
    """Append a part of a batch. Returns an outcome for each message, as ``append_messages`` does.

    What comes with a turn's token waits for its conversation's lock first. All else is appended at once; it
    is looked at again where a turn runs.
    """
    with_token = any(message.turn_sha256 is not None for message in messages)
    refused = await make_way(connection, messages) if may_not_wait(messages[0]) else {}
    if with_token:
        refused |= await refuse_others(connection, messages)
    outcomes: list[Placed | PermanentError | None] = [None] * len(messages)
    open_places = list(refused)
    open_places += await _insert_places(
        connection, messages, [place for place in range(len(messages)) if place not in refused], outcomes
    )
    if open_places:
        await _look_again(connection, messages, open_places, refused, outcomes, with_token=with_token)
    return outcomes


async def _look_again(
    connection: Connection,
    messages: Sequence[NewMessage],
    open_places: Sequence[int],
    refused: Mapping[int, PermanentError],
    outcomes: list[Placed | PermanentError | None],
    *,
    with_token: bool,
) -> None:
    """Find out why the messages in ``open_places`` weren't appended."""
    known = await repository.compare_messages(connection, [messages[place] for place in open_places])
    missing = []
    for i, place in enumerate(open_places):
        outcomes[place] = _not_inserted(known.get(i), refused.get(place))
        if i not in known and place not in refused:
            missing.append(place)
    if missing and not with_token:
        await _insert_where_turns_run(connection, messages, missing, outcomes)


async def _insert_places(
    connection: Connection,
    messages: Sequence[NewMessage],
    wanted: Sequence[int],
    outcomes: list[Placed | PermanentError | None],
) -> list[int]:
    """Append the messages in these places. Returns the places of those that weren't."""
    left: list[int] = []
    if not wanted:
        return left
    for part in _without_repeats([messages[place] for place in wanted]):
        places = [wanted[i] for i in part]
        inserted = await insert(connection, [messages[place] for place in places])
        for i, place in enumerate(places):
            outcomes[place] = inserted.get(i)
            if i not in inserted:
                left.append(place)
    return left


async def _insert_where_turns_run(
    connection: Connection,
    messages: Sequence[NewMessage],
    missing: Sequence[int],
    outcomes: list[Placed | PermanentError | None],
) -> None:
    """Append what users say where turns run, and everything where one was interrupted only now."""
    errors = await refuse_others(connection, [messages[place] for place in missing])
    for i, error in errors.items():
        outcomes[missing[i]] = error
    wanted = [place for i, place in enumerate(missing) if i not in errors]
    for place in await _insert_places(connection, messages, wanted, outcomes):
        outcomes[place] = not_found()


async def insert(
    connection: Connection, messages: Sequence[NewMessage], lock_timeout: str | None = None
) -> dict[int, Placed]:
    """Append messages with different ids. As :func:`repository.insert_messages`; raises :class:`Overtaken` if
    another transaction stored one of the ids meanwhile."""
    few = len(messages) <= FEW_MESSAGES
    statement = repository.insert_few_messages if few else repository.insert_messages
    try:
        return await statement(connection, messages, lock_timeout)
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


def _not_inserted(same: bool | None, refused: PermanentError | None) -> PermanentError | None:
    if same is None:
        return refused or not_found()
    return None if same else Conflict("The id was used for another message", code="id_reused")

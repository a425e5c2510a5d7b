"""Reading turns: those of a conversation in pages, and one."""

from collections.abc import AsyncGenerator
from uuid import UUID

from chat.conversations.acting import check_owner_or_runtime
from chat.turns import repository
from chat.turns.records import Turn
from chat.turns.rules import turn_not_found
from common.postgres import Pool
from servicekit.auth import Caller
from servicekit.keysets import Page

PAGE_TURNS = 500
_BEGINNING, _END = 0, 2**63 - 1


async def list_turns(
    pool: Pool, caller: Caller, conversation_id: UUID, page: Page[tuple[int, ...]]
) -> AsyncGenerator[list[Turn], None]:
    """The turns of a conversation that are kept, in the order of ``page``. No connection is held between
    pages. Raises as :func:`check_owner_or_runtime` before the first one."""
    async with pool.acquire() as connection:
        await check_owner_or_runtime(connection, caller, conversation_id)
    read = repository.list_before if page.descending else repository.list_after
    (last,) = page.after or (_END if page.descending else _BEGINNING,)
    for size in page.sizes(PAGE_TURNS):
        async with pool.acquire() as connection:
            found = await read(connection, conversation_id, last, size)
        if found:
            yield found
            last = found[-1].number
        if len(found) < size:
            return


def place(turn: Turn) -> tuple[int, ...]:
    """The key of a turn in the list of its conversation's."""
    return (turn.number,)


async def get_turn(pool: Pool, caller: Caller, conversation_id: UUID, turn_id: UUID) -> Turn:
    """A turn. Raises as :func:`check_owner_or_runtime`, and :class:`NotFound`."""
    async with pool.acquire() as connection:
        await check_owner_or_runtime(connection, caller, conversation_id)
        turn = await repository.get_turn(connection, conversation_id, turn_id)
    if turn is None:
        raise turn_not_found()
    return turn

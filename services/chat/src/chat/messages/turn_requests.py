"""A user's message to an agent that some runtime serves asks for a turn."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chat.announcements.served import ServedAgents
from chat.messages.records import NewMessage, Placed
from chat.messages.turn_ending import held_turns
from chat.turns import request_repository as repository
from common.postgres import Connection

if TYPE_CHECKING:
    from uuid import UUID


async def request_turns(
    connection: Connection, served: ServedAgents, appended: Iterable[tuple[NewMessage, object]]
) -> None:
    """Request a turn for what users said just now, in the transaction that has appended it.

    ``appended`` are messages with what became of each. Those of one turn's time are one turn: the requested
    one, or the next one while a turn runs. A message that comes with a turn's token is its runtime's.
    """
    through: dict[UUID, int] = {}
    for message, placed in appended:
        if isinstance(placed, Placed) and message.role == "user" and message.turn_sha256 is None:
            through[message.conversation_id] = placed.sequence
    if not through:
        return
    if not served.is_known():
        await served.look(connection)
    asked = await repository.list_asked(connection, list(through))
    wanted = {c: through[c] for c, a in asked.items() if served.is_served(a.agent_id, a.agent_version)}
    busy = [c for c in wanted if asked[c].busy]
    if busy and (held := await held_turns(connection, busy)):
        await repository.let_wait(connection, {c: wanted.pop(c) for c in held})
    if wanted:
        await repository.request_and_tell(connection, wanted)

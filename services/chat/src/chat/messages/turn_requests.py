"""A user's message to an agent that some runtime serves asks for a turn."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from backbone import outbox
from chat.announcements.served import ServedAgents
from chat.messages.records import NewMessage, Placed
from chat.messages.turn_ending import held_turns
from chat.turns import request_repository as repository
from chat.turns.facts import turn_requested
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
    agents = await repository.list_agents(connection, list(through))
    wanted = {c: through[c] for c, (agent, version) in agents.items() if served.is_served(agent, version)}
    if not wanted:
        return
    held = await held_turns(connection, wanted)
    if held:
        await repository.let_wait(connection, {c: wanted.pop(c) for c in held})
    if not wanted:
        return
    requested = await repository.request_turns(connection, wanted)
    new = {turn.conversation_id: turn for turn, is_new in requested if is_new}
    if new:
        sequences = await repository.count_facts(connection, list(new))
        facts = [turn_requested(turn, *agents[c], sequences[c]) for c, turn in new.items()]
        await outbox.append(connection, facts)

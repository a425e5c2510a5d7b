"""Ending turns: their tokens are refused from then on, and messages that waited ask for the next turn."""

from collections.abc import Iterable
from uuid import UUID

from prometheus_client import Counter

from backbone import outbox
from chat.messages.shown_pieces import append_shown
from chat.turns import repository, request_repository
from chat.turns.facts import turn_ended, turn_requested
from chat.turns.records import Ending, Turn
from common.postgres import Connection

ENDED = Counter("takaro_chat_turns_ended_total", "Turns that ended, by how they did", ["state"])

INTERRUPTED = Ending("interrupted")
CANCELLED = Ending("cancelled")


async def end_turn(connection: Connection, turn: Turn, ending: Ending) -> Turn:
    """End a turn of a locked conversation, with its fact. If messages came while it ran that ask for an
    answer, they are the next requested turn. What it had shown, and isn't stored, becomes a message unless it
    is finished."""
    if turn.held and ending.state != "finished":
        await append_shown(connection, turn, ending.state)
    waiting = turn.waiting_sequence if turn.held else None
    facts = 1 if waiting is None else 2
    counted = await repository.hold_conversation(connection, turn.conversation_id, None, facts=facts)
    ended = await repository.end_turn(connection, turn.id, ending, counted.at)
    told = [turn_ended(ended, ending, counted.at, counted.fact_sequence - facts + 1)]
    if waiting is not None:
        [(requested, _)] = await request_repository.request_turns(connection, {turn.conversation_id: waiting})
        told.append(turn_requested(requested, counted.agent_id, counted.agent_version, counted.fact_sequence))
    await outbox.append(connection, told)
    ENDED.labels(ending.state).inc()
    return ended


async def held_turns(connection: Connection, conversation_ids: Iterable[UUID]) -> dict[UUID, Turn]:
    """The turns that hold these locked conversations. One that wasn't renewed in time is interrupted
    first."""
    held = await repository.list_held(connection, list(conversation_ids))
    for conversation_id in sorted(c for c, turn in held.items() if turn.expired):
        await end_turn(connection, held.pop(conversation_id), INTERRUPTED)
    return held

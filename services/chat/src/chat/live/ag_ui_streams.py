"""A conversation's stream in the events of the AG-UI protocol."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from uuid import UUID

from ag_ui.core import BaseEvent, CustomEvent
from orjson import Fragment

from chat.conversations import repository as conversations
from chat.conversations.use_cases import check_owner
from chat.live import repository
from chat.live.ag_ui import MESSAGES_CHANGED, STATE_CHANGED, events_of, snapshots
from chat.live.ag_ui_runs import Runs
from chat.live.following import LiveFacts
from chat.live.records import (
    Connected,
    Ended,
    LiveFact,
    LivePieces,
    LiveTurn,
    Position,
    Progress,
    Reset,
    Step,
    Told,
)
from chat.live.shown import ENDS, turn_of
from chat.messages import listing_repository as messages
from chat.messages.use_cases import PAGE_BYTES
from chat.turn_streams.reading import list_pieces
from common import codec
from common.errors import Forbidden, NotFound
from common.postgres import Pool, transaction, tried_again
from contracts import chat as contracts
from servicekit.sse import ServerEvent

MESSAGES = 200
"""The newest messages of a snapshot; fewer if they are large."""

_END = 2**63 - 1


async def ag_ui_events(
    pool: Pool, live: LiveFacts, user_id: str, conversation_id: UUID, steps: AsyncIterator[Step]
) -> AsyncIterator[ServerEvent]:
    """First the conversation as it is, then what changes. Events have no name; the last one of each fact, and
    of each piece, has its position as id.

    A snapshot may have more than the facts that came before it; those facts aren't told again.
    """
    known = Progress(-1, None)
    runs = Runs(str(conversation_id))
    async for step in steps:
        anew, told, position = False, list[BaseEvent](), Position(0)
        match step:
            case Ended(reason):
                yield _event(CustomEvent(name="end", value={"reason": reason}))
                continue
            case LivePieces():
                async for event in _pieces(pool, runs, step, known):
                    yield event
                continue
            case Told(fact, position):
                told = _told(runs, fact, known)
                anew = fact.sequence > known.sequence and fact.type in MESSAGES_CHANGED | STATE_CHANGED
            case Connected(position):
                anew = not step.resumed
                told = [CustomEvent(name="connected", value={"sequence": step.sequence})]
                if step.resumed and step.running is not None:
                    await _resume(pool, live, runs, step.running, position)
            case Reset():
                anew = True
        if anew:
            try:
                known, told, stored = await _snapshots(pool, user_id, conversation_id)
            except (NotFound, Forbidden):
                continue  # the next step tells of it
            shown = runs.last
            runs.read_again(stored)
            if runs.turn is not None:
                told += await _show(pool, runs, shown)
            elif known.running is not None:
                told += runs.start(known.running)
        for event in _numbered(told, replace(position, sequence=max(step.sequence, known.sequence))):
            yield event


async def _resume(pool: Pool, live: LiveFacts, runs: Runs, running: LiveTurn, position: Position) -> None:
    """Know what was told of a run up to this position: by its pieces, and by the facts that are kept."""
    runs.start(running)
    await _show(pool, runs, position.piece if position.turn == running.number else 0)
    told: list[LiveFact] = []
    for fact in live.after(runs.conversation_id, 0):
        if fact.sequence > position.sequence:
            break
        told = [] if fact.type == contracts.TurnStarted.type else [*told, fact]
    for fact in told:
        if fact.type == contracts.MessageAppended.type and fact.data:
            runs.append(codec.loads(fact.data))


async def _pieces(pool: Pool, runs: Runs, step: LivePieces, known: Progress) -> AsyncIterator[ServerEvent]:
    """What pieces tell; nothing of a turn that was over when the conversation was read as a whole."""
    if step.sequence < known.sequence and step.turn != known.running:
        return
    if runs.turn != step.turn:  # it began while facts were missing
        for event in _numbered(runs.start(step.turn), Position(known.sequence)):
            yield event
    for piece in step.pieces:
        at = Position(max(step.sequence, known.sequence), step.turn.number, piece.number)
        for event in _numbered(runs.show(piece), at):
            yield event


def _told(runs: Runs, fact: LiveFact, known: Progress) -> list[BaseEvent]:
    """The events for a fact; for one that a snapshot has, only the beginning and the end of a run."""
    turn = turn_of(fact) if fact.type in ENDS or fact.type == contracts.TurnStarted.type else None
    is_new = fact.sequence > known.sequence
    if turn is not None and fact.type == contracts.TurnStarted.type:
        return runs.start(turn) if is_new or turn == known.running else []
    data = codec.loads(fact.data)
    if turn is not None and (ended := runs.end(fact.type, turn, data)):
        return ended
    if not is_new:
        return []
    return runs.append(data) if fact.type == contracts.MessageAppended.type else events_of(fact.type, data)


async def _show(pool: Pool, runs: Runs, until: int) -> list[BaseEvent]:
    """What the first pieces of the run tell, up to this number."""
    assert runs.turn is not None, "it was started"
    events: list[BaseEvent] = []
    at = 0
    while at < until and (pieces := await list_pieces(pool, runs.turn.id, at)):
        for piece in pieces:
            if piece.number <= until:
                events += runs.show(piece)
        at = pieces[-1].number
    return events


@tried_again
async def _snapshots(
    pool: Pool, user_id: str, conversation_id: UUID
) -> tuple[Progress, list[BaseEvent], set[str]]:
    """How far the conversation is that the snapshots have, the snapshots, and the ids of their messages.
    Raises as :func:`check_owner`."""
    async with transaction(pool, isolation="repeatable_read") as connection:
        await check_owner(connection, user_id, conversation_id)
        progress = await repository.get_progress(connection, conversation_id)
        conversation = await conversations.get_conversation(connection, conversation_id)
        assert conversation is not None, "the snapshot has it"
        newest = await messages.list_before(connection, conversation_id, _END, MESSAGES, PAGE_BYTES)
    told = snapshots(codec.loads(conversation.state or "{}"), newest[::-1])
    return progress, told, {str(message.id) for message in newest}


def _numbered(events: Sequence[BaseEvent], position: Position) -> Iterator[ServerEvent]:
    """The last event has the position as its id."""
    for place, event in enumerate(events, start=1):
        yield _event(event, position if place == len(events) else None)


def _event(event: BaseEvent, position: Position | None = None) -> ServerEvent:
    said = Fragment(event.model_dump_json(by_alias=True))
    return ServerEvent(None, said, None if position is None else str(position))

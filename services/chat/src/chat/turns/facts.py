"""The facts about turns. Use cases append them to the outbox."""

from datetime import datetime

from backbone.outbox import Fact
from chat.turns.records import Ending, Turn
from contracts import Contract
from contracts import chat as contracts


def turn_started(turn: Turn, sequence: int) -> Fact:
    """A runtime took the turn."""
    assert turn.runtime is not None
    assert turn.started_at is not None
    data = contracts.TurnStarted(
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        number=turn.number,
        runtime=turn.runtime,
        through_sequence=turn.through_sequence,
        started_at=turn.started_at,
    )
    return _fact(turn, sequence, data)


def turn_ended(turn: Turn, ending: Ending, at: datetime, sequence: int) -> Fact:
    """The turn ended."""
    about = {"conversation_id": turn.conversation_id, "turn_id": turn.id, "number": turn.number}
    data: Contract
    if ending.state == "finished":
        usage = {} if ending.usage is None else {"usage": ending.usage}
        data = contracts.TurnFinished(**about, **usage, finished_at=at)
    elif ending.state == "failed":
        data = contracts.TurnFailed(**about, error=ending.error or "", failed_at=at)
    elif ending.state == "cancelled":
        data = contracts.TurnCancelled(**about, cancelled_at=at)
    else:
        data = contracts.TurnInterrupted(**about, interrupted_at=at)
    return _fact(turn, sequence, data)


def turn_awaiting(turn: Turn, at: datetime, sequence: int) -> Fact:
    """The runtime waits for a person."""
    assert turn.awaiting is not None
    data = contracts.TurnAwaiting(
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        number=turn.number,
        tool=turn.awaiting["tool"],
        input=turn.awaiting["input"],
        awaiting_since=at,
    )
    return _fact(turn, sequence, data)


def turn_answered(turn: Turn, at: datetime, sequence: int) -> Fact:
    """The person has answered."""
    assert turn.answer is not None
    data = contracts.TurnAnswered(
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        number=turn.number,
        answer=turn.answer,
        answered_at=at,
    )
    return _fact(turn, sequence, data)


def turn_requested(turn: Turn, agent_id: str, agent_version: str, sequence: int) -> Fact:
    """A user's message waits for an answer."""
    data = contracts.TurnRequested(
        conversation_id=turn.conversation_id,
        turn_id=turn.id,
        number=turn.number,
        agent_id=agent_id,
        agent_version=agent_version,
        through_sequence=turn.through_sequence,
        requested_at=turn.requested_at,
    )
    return _fact(turn, sequence, data)


def _fact(turn: Turn, sequence: int, data: Contract) -> Fact:
    return Fact(contracts.FACTS_STREAM, str(turn.conversation_id), sequence, data)

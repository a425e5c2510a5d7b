"""Messages as arguments of the statements that append them (:data:`chat.messages.appending.ARRAYS`). No
I/O."""

from collections.abc import Sequence
from typing import Any

from chat.messages import facts
from chat.messages.records import NewMessage
from common import codec


def arguments_of(messages: Sequence[NewMessage]) -> tuple[list[Any], ...]:
    """The first 15 arguments of a statement with these parts."""
    traces = [m.trace for m in messages]
    return (
        *columns_of(messages),
        [m.owner for m in messages],
        [m.turn_sha256 for m in messages],
        [trace.traceparent if trace else None for trace in traces],
        [trace.tracestate if trace else None for trace in traces],
        [trace.baggage if trace else None for trace in traces],
        [facts.appended(m) for m in messages],
    )


def columns_of(messages: Sequence[NewMessage]) -> tuple[list[Any], ...]:
    """What is stored of messages, column by column: the first 9 arguments."""
    return (
        [m.id for m in messages],
        [m.conversation_id for m in messages],
        [m.role for m in messages],
        [m.content for m in messages],
        [_json(m.tool_calls) for m in messages],
        [_json(m.tool_results) for m in messages],
        [m.token_count for m in messages],
        [m.latency_ms for m in messages],
        [m.model for m in messages],
    )


def _json(value: object) -> str | None:
    return None if value is None else codec.dumps_str(value)

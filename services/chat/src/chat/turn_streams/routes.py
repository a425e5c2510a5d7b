"""HTTP of followed turns: server-sent events."""

from fastapi import APIRouter, Request

from chat.conversations.wire import ConversationId
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.use_cases import follow_turn
from chat.turn_streams.wire import LastPieceHeader, LastPieceQuery, server_events
from chat.turns.wire import NO_TURN, TurnId
from servicekit.auth import CallerParam
from servicekit.openapi import answering_text
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.sse import SILENT_HEARTBEAT, TOO_MANY, EventStream

EXAMPLE = """\
id: 1
event: text
data: {"number":1,"type":"text","content":"Zombies spawn"}

id: 2
event: text
data: {"number":2,"type":"text","content":" at night."}

event: done
data: {"type":"done","tokenUsage":{"inputTokens":12,"outputTokens":5,"totalTokens":17},\
"usage":{"inputTokens":12,"outputTokens":5}}
"""


def create_router(feed: TurnFeed) -> APIRouter:
    """Routes of turns that are followed with ``feed``."""
    router = create_api_router("/api/conversations/{conversationId}/turns/{turnId}", ["turns"])

    @router.get(
        "/stream",
        response_class=EventStream,
        **answering_text(
            "text/event-stream", "What the runtime shows, as it does.", EXAMPLE, errors=NO_TURN | TOO_MANY
        ),
    )
    async def stream_turn(
        request: Request,
        conversation_id: ConversationId,
        turn_id: TurnId,
        caller: CallerParam,
        resources: ResourcesParam,
        last_event_id: LastPieceHeader = None,
        last_event_id_query: LastPieceQuery = None,
    ) -> EventStream:
        """A turn from its first piece: each under its type (`text`, `tool_use`, `tool_result`), also those
        that were shown before; then `done`, or `error` if the turn ended otherwise.

        ``awaiting``: the turn waits for a person. A turn that no runtime has taken stays open.
        """
        known = last_event_id if last_event_id is not None else last_event_id_query
        after = 0 if known is None else int(known)
        steps = follow_turn(resources.pool, feed, caller, conversation_id, turn_id, after)
        return EventStream(request, server_events(steps), caller, heartbeat=SILENT_HEARTBEAT)

    return router

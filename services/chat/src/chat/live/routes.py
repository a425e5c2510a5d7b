"""HTTP of live conversations: server-sent events."""

from fastapi import APIRouter, Request

from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.live.ag_ui_streams import ag_ui_events
from chat.live.following import LiveFacts
from chat.live.use_cases import follow
from chat.live.wire import FormatQuery, LastEventIdHeader, LastEventIdQuery, position_of, server_events
from chat.turn_streams.feed import TurnFeed
from servicekit.auth import CallerParam
from servicekit.openapi import answering_text
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.sse import SILENT_HEARTBEAT, TOO_MANY, EventStream

EXAMPLE = """\
id: 17
event: connected
data: {"conversationId":"4f8e0c1a-7a52-4f0f-9d2b-3f1f8a3a9c55","sequence":17}

id: 18
event: chat.conversation.titled.v1
data: {"id":"0d5f3d9e-7b7b-4a29-9a1a-0f0f5a6d3b52","source":"/takaro/chat","type":\
"chat.conversation.titled.v1","subject":"4f8e0c1a-7a52-4f0f-9d2b-3f1f8a3a9c55","time":"2026-11-28T12:00:00.000000Z","sequence":18,\
"data":{"conversationId":"4f8e0c1a-7a52-4f0f-9d2b-3f1f8a3a9c55","title":"Zombies"}}
"""


def create_router(live: LiveFacts, feed: TurnFeed) -> APIRouter:
    """Routes of live conversations, whose facts ``live`` reads, and whose turns ``feed`` does."""
    router = create_api_router("/api/conversations/{conversationId}", ["live"])

    @router.get(
        "/events",
        response_class=EventStream,
        **answering_text(
            "text/event-stream", "Facts as they are published.", EXAMPLE, errors=NOT_FOUND | TOO_MANY
        ),
    )
    async def get_events(
        request: Request,
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        last_event_id: LastEventIdHeader = None,
        last_event_id_query: LastEventIdQuery = None,
        form: FormatQuery = "facts",
    ) -> EventStream:
        """What happens in one of the caller's conversations: ``connected``, then each fact under its type,
        and what the running turn shows, piece by piece, as ``chat.turn.chunk``.

        ``reset``: facts are missing, read the conversation again. ``end``: the conversation was deleted.
        ``heartbeat``: every 30 s without an event. With ``format=ag-ui`` the conversation comes first, as
        ``STATE_SNAPSHOT`` and ``MESSAGES_SNAPSHOT``, then what changes.
        """
        known = last_event_id if last_event_id is not None else last_event_id_query
        after = position_of(known)
        steps = follow(resources.pool, live, feed, caller.user_id, conversation_id, after)
        if form == "ag-ui":
            events = ag_ui_events(resources.pool, live, caller.user_id, conversation_id, steps)
            return EventStream(request, events, caller, heartbeat=SILENT_HEARTBEAT)
        return EventStream(request, server_events(conversation_id, steps), caller)

    return router

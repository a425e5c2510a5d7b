"""HTTP of messages."""

from contextlib import ExitStack
from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import Response

from chat.announcements.served import ServedAgents
from chat.conversations.acting import acting_for
from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.messages import listing, use_cases
from chat.messages.answering import follow_answer, wants_stream
from chat.messages.wire import (
    NOT_STORED,
    NOT_TAKEN,
    MessageJson,
    PostMessage,
    also_streamed,
    message_json,
    sequence_of,
)
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import WARNED, WARNING
from chat.turn_streams.feed import TurnFeed
from chat.turn_streams.wire import last_frame, server_events
from servicekit.accepting import accepted_by
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.idempotency import REPLAYED
from servicekit.keysets import Keyset, Place
from servicekit.list_parameters import WantedParam
from servicekit.live import open_streams
from servicekit.openapi import answering, answering_list
from servicekit.routing import AttachingRoute, create_api_router, done_once
from servicekit.service import ResourcesParam
from servicekit.sse import SILENT_HEARTBEAT, EventStream
from servicekit.streamed_lists import streamed_data

_PASSED_ON = (WARNING, REPLAYED)

MESSAGES = Keyset("messages", tuple[Place], order="asc")


def create_router(
    limited: LimitedUsers, served: ServedAgents, feed: TurnFeed, turn_wait_seconds: float
) -> APIRouter:
    """Routes of messages. What is posted at the same time is committed together. The quotas of ``limited``
    users hold; what users say to agents that are ``served`` asks for turns, which are followed with ``feed``;
    a stream waits ``turn_wait_seconds`` for a runtime that takes the turn."""
    router = create_api_router(
        "/api/conversations/{conversationId}/messages", ["messages"], route_class=AttachingRoute
    )
    appends = use_cases.create_appends(served)

    @router.get("", **answering_list(MessageJson, errors=NOT_FOUND))
    async def list_messages(
        conversation_id: ConversationId,
        caller: CallerParam,
        resources: ResourcesParam,
        wanted: WantedParam,
    ) -> Response:
        """The messages of a conversation in the one order in which they were accepted, or backwards
        (`order=desc`): all of them, or a page."""
        pool = resources.pool
        user_id = await acting_for(pool, caller, conversation_id)
        as_json = partial(message_json, str(conversation_id))
        if wanted.limit is None and wanted.cursor is None and wanted.order != "desc" and not wanted.total:
            return await streamed_data(use_cases.list_messages(pool, user_id, conversation_id), as_json)
        page = wanted.page(MESSAGES, conversation_id)
        counts = await wanted.counts(partial(listing.count_messages, pool, user_id, conversation_id))
        pages = listing.list_page(pool, user_id, conversation_id, page)
        return await streamed_data(pages, as_json, page, listing.place, counts)

    @router.post(
        "", **also_streamed(answering(MessageJson, errors=NOT_FOUND | NOT_TAKEN | NOT_STORED, headers=WARNED))
    )
    async def post_message(
        request: Request,
        conversation_id: ConversationId,
        body: PostMessage,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> Response:
        """Append a user's message to one of the caller's conversations. ``X-Quota-Warning`` tells that a
        quota is nearly used up.

        With `Accept: text/event-stream` the answer is the stream of the turn that answers the message, as
        that of `GET …/turns/:turnId/stream`. So it is for who accepts anything, if some runtime serves the
        agent, and for a caller with a cookie. Sent again with its `Idempotency-Key`, or with the same `id`,
        it has the same turn from its first piece.
        """
        pool = resources.pool

        async def append() -> JSONAnswer:
            store = partial(
                use_cases.append_user_message,
                pool,
                caller.user_id,
                conversation_id,
                body.content,
                message_id=body.id,
                appends=appends,
                on_busy=body.on_busy,
                served=served,
            )
            message, warning = await within(limited, pool, caller.user_id, store, [body.id])
            answer = data(message_json(str(conversation_id), message))
            if warning:
                answer.headers[WARNING] = warning
            return answer

        accepted = accepted_by(request.scope)
        if not await wants_stream(pool, served, caller, conversation_id, accepted):
            return await done_once(request, append)
        with ExitStack() as opened:
            opened.enter_context(open_streams(request).opened(caller.user_id))
            stored = await done_once(request, append)
            steps = follow_answer(
                pool, feed, served, conversation_id, sequence_of(stored.body), turn_wait_seconds
            )
            stream = EventStream(
                request,
                server_events(steps, asks=accepted == "events"),  # the old web client knows no questions
                caller,
                heartbeat=SILENT_HEARTBEAT,
                farewell=last_frame,
                opened=opened.pop_all(),
            )
        stream.headers.update({name: stored.headers[name] for name in _PASSED_ON if name in stored.headers})
        return stream

    return router

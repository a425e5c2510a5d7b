"""HTTP of messages."""

from functools import partial

from fastapi import APIRouter
from starlette.responses import Response

from chat.announcements.served import ServedAgents
from chat.conversations.acting import acting_for
from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.messages import listing, use_cases
from chat.messages.wire import NOT_STORED, MessageJson, PostMessage, message_json
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import EXCEEDED, WARNED, WARNING
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.keysets import Keyset, Place
from servicekit.list_parameters import WantedParam
from servicekit.openapi import answering, answering_list
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

MESSAGES = Keyset("messages", tuple[Place], order="asc")


def create_router(limited: LimitedUsers, served: ServedAgents | None = None) -> APIRouter:
    """Routes of messages. What is posted at the same time is committed together. The quotas of ``limited``
    users hold; what users say to agents that are ``served`` asks for turns."""
    router = create_api_router("/api/conversations/{conversationId}/messages", ["messages"])
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

    @router.post("", **answering(MessageJson, errors=NOT_FOUND | EXCEEDED | NOT_STORED, headers=WARNED))
    async def post_message(
        conversation_id: ConversationId, body: PostMessage, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Append a user's message to one of the caller's conversations. ``X-Quota-Warning`` tells that a
        quota is nearly used up."""
        append = partial(
            use_cases.append_user_message,
            resources.pool,
            caller.user_id,
            conversation_id,
            body.content,
            message_id=body.id,
            appends=appends,
            on_busy=body.on_busy,
            served=served,
        )
        message, warning = await within(limited, resources.pool, caller.user_id, append, [body.id])
        answer = data(message_json(str(conversation_id), message))
        if warning:
            answer.headers[WARNING] = warning
        return answer

    return router

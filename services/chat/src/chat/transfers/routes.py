"""HTTP of what is moved in bulk."""

from functools import partial

from fastapi import APIRouter

from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.messages.wire import ID_REUSED, MessageJson, message_json
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import EXCEEDED, WARNED, WARNING
from chat.transfers import use_cases
from chat.transfers.rules import check_sizes
from chat.transfers.wire import AppendInBulk
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.request_bodies import MAX_BODY_BYTES
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam


def create_router(message_max_bytes: int, limited: LimitedUsers) -> APIRouter:
    """Routes of what is moved in bulk, each message of at most ``message_max_bytes``. The quotas of
    ``limited`` users hold."""
    router = create_api_router("/api/conversations", ["messages"])
    max_bytes_of_all = max(message_max_bytes, MAX_BODY_BYTES)

    @router.post(
        "/{conversationId}/messages/bulk",
        **answering(list[MessageJson], errors=NOT_FOUND | ID_REUSED | EXCEEDED, headers=WARNED),
    )
    async def append_in_bulk(
        conversation_id: ConversationId, body: AppendInBulk, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Append up to 1,000 messages of any role in this order: all of them, or none."""
        messages = [message.message(conversation_id, caller.user_id) for message in body.messages]
        check_sizes(messages, message_max_bytes, max_bytes_of_all)
        append = partial(use_cases.append_in_bulk, resources.pool, caller.user_id, conversation_id, messages)
        stored, warning = await within(limited, resources.pool, caller.user_id, append, len(messages))
        answer = data([message_json(str(conversation_id), message) for message in stored])
        if warning:
            answer.headers[WARNING] = warning
        return answer

    return router

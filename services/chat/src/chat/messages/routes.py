"""HTTP of messages."""

from starlette.responses import Response

from chat.conversations.wire import NOT_FOUND, ConversationId
from chat.messages import use_cases
from chat.messages.wire import MessageJson, PostMessage, message_json
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam
from servicekit.streamed_lists import streamed_data

router = create_api_router("/api/conversations/{conversationId}/messages", ["messages"])


@router.get("", **answering(list[MessageJson], errors=NOT_FOUND))
async def list_messages(
    conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
) -> Response:
    """All messages of a conversation, oldest first, in the one order in which they were accepted."""
    pages = use_cases.list_messages(resources.pool, caller.user_id, conversation_id)
    return await streamed_data(pages, message_json)


@router.post("", **answering(MessageJson, errors=NOT_FOUND))
async def post_message(
    conversation_id: ConversationId, body: PostMessage, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Append a user's message to one of the caller's conversations."""
    message = await use_cases.append_user_message(
        resources.pool, caller.user_id, conversation_id, body.content
    )
    return data(message_json(message))

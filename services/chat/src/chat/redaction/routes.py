"""HTTP of redactions."""

from chat.conversations.wire import ConversationId
from chat.messages.wire import MESSAGE_NOT_FOUND, MessageId, MessageJson, message_json
from chat.redaction import use_cases
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

router = create_api_router("/api/conversations/{conversationId}/messages/{messageId}", ["messages"])


@router.post("/redact", **answering(MessageJson, errors=MESSAGE_NOT_FOUND))
async def redact_message(
    conversation_id: ConversationId, message_id: MessageId, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Take away for good what a message says, with its tool records and feedback. Its place stays."""
    message = await use_cases.redact_message(resources.pool, caller.user_id, conversation_id, message_id)
    return data(message_json(str(conversation_id), message))

"""HTTP of feedback."""

from chat.conversations.wire import ConversationId
from chat.feedback import use_cases
from chat.feedback.records import Feedback
from chat.feedback.wire import GiveFeedback, feedback_json
from chat.messages.wire import MESSAGE_NOT_FOUND, FeedbackJson, MessageId
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.forms import SuccessJson
from servicekit.openapi import answering, answering_bare
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

REDACTED = {409: "The message was redacted."}

router = create_api_router("/api/conversations/{conversationId}/messages/{messageId}/feedback", ["messages"])


@router.put("", **answering(FeedbackJson, errors=MESSAGE_NOT_FOUND | REDACTED))
async def give_feedback(
    conversation_id: ConversationId,
    message_id: MessageId,
    body: GiveFeedback,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Rate an assistant's message; replaces what was given before."""
    feedback = Feedback(caller.user_id, body.rating, body.note)
    given = await use_cases.give_feedback(resources.pool, conversation_id, message_id, feedback)
    return data(feedback_json(given))


@router.delete("", **answering_bare(SuccessJson, errors=MESSAGE_NOT_FOUND))
async def remove_feedback(
    conversation_id: ConversationId, message_id: MessageId, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Take feedback back."""
    await use_cases.remove_feedback(resources.pool, caller.user_id, conversation_id, message_id)
    return JSONAnswer({"success": True})

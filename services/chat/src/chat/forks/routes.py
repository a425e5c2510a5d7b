"""HTTP of forks."""

from functools import partial

from fastapi import APIRouter

from chat.announcements.served import ServedAgents
from chat.conversations.wire import ConversationId, ConversationJson, conversation_json
from chat.forks import use_cases
from chat.forks.wire import ForkAt, ReplacementJson, ReplaceMessage
from chat.messages.wire import MESSAGE_NOT_FOUND, MessageId, message_json
from chat.quotas.limited import LimitedUsers
from chat.quotas.use_cases import within
from chat.quotas.wire import EXCEEDED, WARNED, WARNING
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

NOT_THE_LAST = {409: "It isn't the user's last message."}


def create_router(limited: LimitedUsers, served: ServedAgents | None = None) -> APIRouter:
    """Routes of forks. Quotas of ``limited`` users hold for what replaces a message, not for copies; and it
    asks for turns of agents that are ``served``."""
    router = create_api_router("/api/conversations/{conversationId}", ["conversations"])

    @router.post("/fork", **answering(ConversationJson, errors=MESSAGE_NOT_FOUND))
    async def fork_conversation(
        conversation_id: ConversationId, body: ForkAt, caller: CallerParam, resources: ResourcesParam
    ) -> JSONAnswer:
        """Start a conversation with copies of the messages up to one, and go on from there."""
        forked = await use_cases.fork(resources.pool, caller.user_id, conversation_id, body.message_id)
        return data(conversation_json(forked))

    @router.post(
        "/messages/{messageId}/replace",
        **answering(ReplacementJson, errors=MESSAGE_NOT_FOUND | NOT_THE_LAST | EXCEEDED, headers=WARNED),
    )
    async def replace_message(
        conversation_id: ConversationId,
        message_id: MessageId,
        body: ReplaceMessage,
        caller: CallerParam,
        resources: ResourcesParam,
    ) -> JSONAnswer:
        """Edit the user's last message, or have it answered again. What it replaces moves to `branch`."""
        replace = partial(
            use_cases.replace_message,
            resources.pool,
            caller.user_id,
            conversation_id,
            message_id,
            body.content,
            served,
        )
        done, warning = await within(limited, resources.pool, caller.user_id, replace)
        message = message_json(str(conversation_id), done.message)
        answer = data({"message": message, "branch": conversation_json(done.branch)})
        if warning:
            answer.headers[WARNING] = warning
        return answer

    return router

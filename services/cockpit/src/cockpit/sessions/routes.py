"""HTTP of sessions."""

from cockpit.sessions import use_cases
from cockpit.sessions.wire import NO_CONVERSATION, ConversationId, SessionJson, session_json
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

router = create_api_router("/api/cockpit/sessions", ["sessions"])


@router.get("/{conversation_id}", **answering(SessionJson, errors=NO_CONVERSATION))
async def get_session(
    conversation_id: ConversationId, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Get or create the session of one of the caller's conversations."""
    session = await use_cases.get_or_create_session(resources.pool, caller.user_id, conversation_id)
    return data(session_json(session))

"""HTTP of the sessions: the session of a conversation, its players, the player its user tests as."""

from fastapi import APIRouter

from cockpit.edge import CallerParam, ConversationId, ResourcesParam, SessionId
from cockpit.servers.use_cases import list_players
from cockpit.sessions import use_cases
from cockpit.sessions.models import SelectPlayerBody
from common.postgres import transaction
from servicekit.answers import JSONAnswer, data

router = APIRouter(prefix="/api/cockpit/sessions", tags=["sessions"])


@router.get("/{conversation_id}")
async def get_session(
    conversation_id: ConversationId,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Get or create the session of one of the caller's conversations."""
    async with transaction(resources.pool) as connection:
        session = await use_cases.get_or_create_session(connection, conversation_id, caller.user_id)
    return data(session.wire())


@router.get("/{session_id}/players")
async def get_players(
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """The players of the session's running server, and which one is selected."""
    async with resources.pool.acquire() as connection:
        session = await use_cases.get_session(connection, session_id, caller.user_id)
        players = await list_players(connection, session)
    return data(
        {
            "players": [
                {"id": one.id, "name": one.name, "gameId": one.game_id, "online": one.online}
                for one in players
            ],
            "selectedPlayerId": session.selected_player_id,
        }
    )


@router.post("/{session_id}/select-player")
async def select_player(
    session_id: SessionId,
    body: SelectPlayerBody,
    caller: CallerParam,
    resources: ResourcesParam,
) -> JSONAnswer:
    """Select a player by id (or game id), or nobody."""
    async with transaction(resources.pool) as connection:
        session = await use_cases.get_session(connection, session_id, caller.user_id)
        selected = await use_cases.select_player(connection, session, body.player_id)
    return data({"selectedPlayerId": selected})

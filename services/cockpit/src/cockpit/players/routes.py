"""HTTP of a session's players."""

from cockpit.players import use_cases
from cockpit.players.wire import PlayersJson, SelectedPlayerJson, SelectPlayerBody, players_json
from cockpit.sessions.wire import NOT_FOUND, SessionId
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.openapi import answering
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

router = create_api_router("/api/cockpit/sessions/{session_id}", ["sessions"])


@router.get("/players", **answering(PlayersJson, errors=NOT_FOUND))
async def get_players(session_id: SessionId, caller: CallerParam, resources: ResourcesParam) -> JSONAnswer:
    """The players of the session's running server, and which one is selected."""
    session, players = await use_cases.list_players(resources.pool, caller.user_id, session_id)
    return data(players_json(players, session.selected_player_id))


@router.post("/select-player", **answering(SelectedPlayerJson, errors=NOT_FOUND))
async def select_player(
    session_id: SessionId, body: SelectPlayerBody, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Select a player by id (or game id), or nobody."""
    selected = await use_cases.select_player(resources.pool, caller.user_id, session_id, body.player_id)
    return data({"selectedPlayerId": selected})

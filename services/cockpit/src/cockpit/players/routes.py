"""HTTP of a session's players."""

from cockpit.players import use_cases
from cockpit.players.rules import PLAYERS, page_of
from cockpit.players.wire import PlayersPageJson, SelectedPlayerJson, SelectPlayerBody, players_json
from cockpit.sessions.wire import NOT_FOUND, SessionId
from servicekit.answers import JSONAnswer, data
from servicekit.auth import CallerParam
from servicekit.list_parameters import CursorParam, LimitParam, OrderParam
from servicekit.openapi import answering, answering_bare
from servicekit.routing import create_api_router
from servicekit.service import ResourcesParam

router = create_api_router("/api/cockpit/sessions/{session_id}", ["sessions"])


@router.get("/players", **answering_bare(PlayersPageJson, errors=NOT_FOUND))
async def get_players(
    session_id: SessionId,
    caller: CallerParam,
    resources: ResourcesParam,
    limit: LimitParam = None,
    cursor: CursorParam = None,
    order: OrderParam = None,
) -> JSONAnswer:
    """The players of the session's running server, all of them or a page, and which one is selected."""
    page = PLAYERS.page(limit, cursor, order, session_id)
    session, players = await use_cases.list_players(resources.pool, caller.user_id, session_id)
    shown, following = page_of(players, page)
    answer: PlayersPageJson = {"data": players_json(shown, session.selected_player_id)}
    if limit is not None:
        answer["meta"] = {"nextCursor": following}
    return JSONAnswer(answer)


@router.post("/select-player", **answering(SelectedPlayerJson, errors=NOT_FOUND))
async def select_player(
    session_id: SessionId, body: SelectPlayerBody, caller: CallerParam, resources: ResourcesParam
) -> JSONAnswer:
    """Select a player by id (or game id), or nobody."""
    selected = await use_cases.select_player(resources.pool, caller.user_id, session_id, body.player_id)
    return data({"selectedPlayerId": selected})

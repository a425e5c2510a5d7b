"""HTTP of the page on which people play. It holds nothing of anybody's: its scripts call the API with the
reader's own credentials."""

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Path, Request
from starlette.responses import HTMLResponse, Response

from cockpit.game.console import COMMANDS
from common.errors import NotAuthenticated, TakaroError
from servicekit.packaged_pages import PackagedPages
from servicekit.routing import create_api_router

if TYPE_CHECKING:
    from servicekit.auth import Authenticator

_ASSETS = "/play/assets"


def create_router() -> APIRouter:
    """Routes of the page, and of what it loads."""
    router = create_api_router("", ["play"])
    pages = PackagedPages("cockpit.play", _ASSETS)

    async def _for_signed_in(request: Request, template: str, **values: object) -> HTMLResponse:
        if await _is_signed_out(request):
            return pages.page("signed_out.html", path=request.url.path)
        return pages.page(template, **values)

    @router.get("/play", include_in_schema=False)
    async def get_lobby(request: Request) -> HTMLResponse:
        return await _for_signed_in(request, "lobby.html")

    @router.get("/play/{conversation_id}", include_in_schema=False)
    async def get_game(request: Request, conversation_id: Annotated[UUID, Path()]) -> HTMLResponse:
        known = {"conversation_id": conversation_id, "commands": COMMANDS.values()}
        return await _for_signed_in(request, "game.html", **known)

    @router.get(f"{_ASSETS}/{{digest}}/{{name}}", include_in_schema=False)
    async def get_asset(digest: str, name: str) -> Response:
        return pages.asset(digest, name)

    return router


async def _is_signed_out(request: Request) -> bool:
    """Whether the API would answer 401. What can't be known now is left to the page's own calls."""
    authenticator: Authenticator = request.app.state.authenticator
    try:
        await authenticator.caller(request)
    except NotAuthenticated:
        return True
    except TakaroError:
        return False
    return False
